//! Leave to send: the last check before bytes leave.

/// Which reports may be sent now, of those that say `Sent`: the revision that was prepared is still the one desired, so that what was read
/// follows from the present binding, grants and versions; the planner's answer is not a refusal, or what is there is to be deleted because of it; neither the registry nor the cluster is held
/// or paused; and the session is still its cluster's, which `report` has seen to.
///
/// `placement_seq = p.seq` looks redundant and is not: where the lock had to wait for the planner, Postgres checks only the locked row anew, and
/// this condition is then the one that fails.
///
/// `offset 0` keeps the view apart from the rest, so that it is asked for each of these by key. Joined, it adds up the secrets of every
/// binding there is before one is picked: 70 ms with 5,000 bindings, where this takes half a millisecond for 20 placements.
///
/// The placements are locked until the transaction ends, in which it is recorded that they are sent. In the order in which the planner
/// writes them, by binding and cluster: in another, the two could wait for each other.
pub(super) const LEAVE: &str = "leave as materialized ( \
        select r.place from report r \
        join cluster c on c.id = r.cluster and c.held is null and c.state not in ('Paused', 'Revoked') \
        join registry g on g.held is null \
        join placement p on p.binding_id = r.binding and p.cluster_id = r.cluster \
        join lateral ( \
            select epoch, seq, placement_seq, purges from desired where binding_id = r.binding and cluster_id = r.cluster offset 0 \
        ) d on d.epoch = r.epoch and d.seq = r.seq and d.placement_seq = p.seq and (p.answer <> 'Denied' or d.purges) \
        where r.outcome = 'Sent' order by p.binding_id, p.cluster_id for share of p)";
