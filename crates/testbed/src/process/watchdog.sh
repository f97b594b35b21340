# Runs one part, and ends it when its owner is gone.
#
#   sh -s -- <signal> <grace in seconds> <folder to remove when orphaned, or empty> <program> [arguments]
#
# Standard input is a pipe whose write end only the owner holds. This script comes through it (which keeps process lists
# readable), and then nothing more: end of file means that the owner ended, however it did.
# Standard output tells the owner the part's pid; standard error is the part's log. Exits with the part's status.

# A function, so that the shell has read all before it moves its input away.
watch() {
	signal=$1 grace=$2 folder=$3
	shift 3

	# A background command's input is /dev/null unless it is said otherwise, so the pipe moves to 3.
	exec 3<&0 </dev/null
	"$@" 3<&- >&2 &
	part=$!
	echo "$part"
	exec >&2

	orphaned=
	trap 'orphaned=yes' USR1
	(
		trap - USR1
		read -r _ <&3
		kill -s USR1 $$
		kill -s "$signal" "$part" 2>/dev/null
		# A part that was paused can only then answer the signal.
		kill -s CONT "$part" 2>/dev/null
		tenths=0
		while [ "$tenths" -lt "$((grace * 10))" ]; do
			sleep 0.1
			tenths=$((tenths + 1))
		done
		kill -s KILL "$part" 2>/dev/null
	) &
	guard=$!
	exec 3<&-

	# The trap interrupts a wait, hence the loop.
	while :; do
		wait "$part"
		status=$?
		kill -s 0 "$part" 2>/dev/null || break
	done
	# Before the part's pid can belong to another process.
	# Waited for, lest a shell reports the kill in the part's log.
	kill -s KILL "$guard" 2>/dev/null
	wait "$guard" 2>/dev/null
	if [ -n "$orphaned" ] && [ -n "$folder" ]; then
		cd / && rm -rf -- "$folder"
	fi
	exit "$status"
}

watch "$@"
