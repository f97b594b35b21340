//! Postgres' connection strings, as far as they say where (libpq's rules, which the plugin's driver follows).

use std::collections::BTreeMap;

use super::{HOSTS_MAX, POSTGRES_PORT, Place, PlaceError};

/// The words that are looked at: `host`, `port`, `dbname`, `sslmode` and `user`. Everything else, passwords first, is dropped while reading.
type Words = BTreeMap<String, String>;

pub(super) fn parse(text: &str, username: &str) -> Result<Place, PlaceError> {
    let text = text.trim();
    let rest = ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let words = match rest {
        Some(rest) => of_url(rest)?,
        None if text.contains("://") || !text.contains('=') => return Err(PlaceError::Form),
        None => of_pairs(text).ok_or(PlaceError::Form)?,
    };
    let word = |name: &str| words.get(name).map(String::as_str).filter(|word| !word.is_empty());
    let database = word("dbname").or_else(|| word("user").filter(|user| !user.contains("{{")));
    let database = database.unwrap_or(username);
    if database.is_empty() {
        return Err(PlaceError::NoDatabase);
    }
    Ok(Place {
        hosts: hosts(word("host").ok_or(PlaceError::NoHost)?, word("port"))?,
        database: database.to_owned(),
        ssl_mode: word("sslmode").map_or(Ok(super::SslMode::default()), str::parse)?,
        ca_pem: None,
    })
}

fn hosts(hosts: &str, ports: Option<&str>) -> Result<Vec<(String, u16)>, PlaceError> {
    let hosts: Vec<_> = hosts.split(',').map(str::trim).collect();
    if hosts.len() > HOSTS_MAX {
        return Err(PlaceError::TooManyHosts);
    }
    let ports: Vec<_> = ports.map_or_else(Vec::new, |ports| ports.split(',').map(str::trim).collect());
    // One port is for all hosts.
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err(PlaceError::Port);
    }
    let at = |(nth, host): (usize, &str)| match host {
        "" => Err(PlaceError::NoHost),
        host if host.starts_with(['/', '@']) => Err(PlaceError::Socket),
        host => match ports.get(nth).or(ports.first()) {
            None | Some(&"") => Ok((host.to_owned(), POSTGRES_PORT)),
            Some(port) => Ok((host.to_owned(), port.parse().map_err(|_| PlaceError::Port)?)),
        },
    };
    hosts.into_iter().enumerate().map(at).collect()
}

fn keep(words: &mut Words, name: &str, value: String) {
    if ["host", "port", "dbname", "sslmode", "user"].contains(&name) {
        words.insert(name.to_owned(), value);
    }
}

/// After the scheme: `[user[:password]@][host[:port],…][/database][?name=value&…]`.
fn of_url(rest: &str) -> Result<Words, PlaceError> {
    let mut words = Words::new();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A password may hold an '@' or a '/' that nobody encoded: what is before the last '@' is no host.
    let (credentials, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    keep(&mut words, "user", decoded(credentials.split(':').next().unwrap_or_default()));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    keep(&mut words, "dbname", decoded(database));
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for host in authority.split(',').filter(|_| !authority.is_empty()) {
        let (host, port) = match host.strip_prefix('[') {
            // An IPv6 address, whose colons are its own.
            Some(host) => {
                let (host, port) = host.split_once(']').ok_or(PlaceError::Form)?;
                (host, port.strip_prefix(':').unwrap_or_default())
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        hosts.push(decoded(host));
        ports.push(port);
    }
    keep(&mut words, "host", hosts.join(","));
    if ports.iter().any(|port| !port.is_empty()) {
        keep(&mut words, "port", ports.join(","));
    }
    for pair in query.split('&') {
        if let Some((name, value)) = pair.split_once('=') {
            keep(&mut words, name, decoded(value));
        }
    }
    Ok(words)
}

/// `name = value` pairs; a value may be in single quotes, and a backslash takes what follows as it is.
fn of_pairs(text: &str) -> Option<Words> {
    let mut words = Words::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quoted = after.starts_with('\'');
        let mut value = String::new();
        let mut end = None;
        let mut characters = after.char_indices().skip(usize::from(quoted));
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                '\'' if quoted => {
                    end = Some(at + 1);
                    break;
                }
                blank if !quoted && blank.is_whitespace() => {
                    end = Some(at);
                    break;
                }
                other => value.push(other),
            }
        }
        if quoted && end.is_none() {
            return None;
        }
        keep(&mut words, name.trim(), value);
        rest = after[end.unwrap_or(after.len())..].trim_start();
    }
    Some(words)
}

/// Percent-encoding undone; what is no encoding stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let byte = after.get(..2).filter(|_| first == b'%').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u8::from_str_radix(digits, 16).ok()
        });
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> String {
        match parse(text, "vault") {
            Ok(place) => format!("{place} {:?}", place.ssl_mode),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn a_place_is_read_from_both_forms() {
        for (text, expected) in [
            (
                "postgresql://{{username}}:{{password}}@db.corp:6432/shop?sslmode=verify-full",
                "database \"shop\" at db.corp:6432 VerifyFull",
            ),
            ("postgres://{{username}}:{{password}}@db", "database \"vault\" at db:5432 Prefer"),
            ("postgresql://owner:p/w:x@y@db/my%20shop", "database \"my shop\" at db:5432 Prefer"),
            ("postgresql://owner:x@db/", "database \"owner\" at db:5432 Prefer"),
            (
                "postgresql://{{username}}:{{password}}@a,b:6,[2001:db8::1]:7/d",
                "database \"d\" at a:5432, b:6, [2001:db8::1]:7 Prefer",
            ),
            ("postgresql:///d?host=a,b&port=6&sslmode=disable", "database \"d\" at a:6, b:6 Disable"),
            ("postgresql://%2Frun%2Fpostgresql/d", "Socket"),
            ("postgresql://u:p@/d", "NoHost"),
            ("postgresql://a:1x/d", "Port"),
            ("postgresql://a/d?sslmode=perhaps", "SslMode"),
            (
                "host=a,b port=1,2 user={{username}} password='{{password}}' dbname=d sslmode=require",
                "database \"d\" at a:1, b:2 Require",
            ),
            (r"host = a  password='it\'s host=evil' dbname='my \\ shop'", "database \"my \\\\ shop\" at a:5432 Prefer"),
            ("host=a port=1,2", "Port"),
            ("host=/run/postgresql dbname=d", "Socket"),
            ("host='a", "Form"),
            ("user=x", "NoHost"),
            ("mysql://u:p@a/d", "Form"),
            ("{{username}}:{{password}}@tcp(a:3306)/", "Form"),
            ("", "Form"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
        assert_eq!(parse("host=a", ""), Err(PlaceError::NoDatabase));
        assert_eq!(parse(&format!("host={}", ["a"; 17].join(",")), "u"), Err(PlaceError::TooManyHosts));
    }

    proptest! {
        #[test]
        fn no_text_is_more_than_can_be_read(text in "[a-z=' \\\\%@:/,?&\\[\\]{}é]{0,40}", url: bool) {
            let _ = parse(&format!("{}{text}", if url { "postgres://" } else { "host=" }), "u");
        }

        #[test]
        fn a_password_is_in_no_place(password in "secret[a-z@:/=]{0,8}") {
            prop_assume!(!password.contains('?'));
            let place = parse(&format!("postgres://u:{password}@h/d"), "u").unwrap();
            prop_assert_eq!(format!("{place:?}").contains("secret"), false);
        }
    }
}
