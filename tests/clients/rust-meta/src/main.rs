//! What an application does through async-memcached's meta commands. Usage: rust-meta PORT. The exit status is 0 when every answer was right.

use async_memcached::{Client, Error, MetaProtocol, MetaValue, Status};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

type Outcome<T = ()> = Result<T, Error>;

/// The item, which must be there.
async fn hit(client: &mut Client, key: &str, flags: &[&str]) -> Outcome<MetaValue> {
    Ok(client.meta_get(key, false, None, Some(flags)).await?.unwrap_or_else(|| panic!("{key} is absent")))
}

async fn values(client: &mut Client) -> Outcome {
    let large: Vec<u8> = (0..1 << 20).map(|i: u32| (i * 7 % 251) as u8).collect();
    for value in [&b"hello"[..], b"", b"\0\r\n\xff EN\r\n", &large] {
        client.meta_set("value", value, false, None, Some(&["F4294967295", "T0"])).await?;
        let item = hit(client, "value", &["v", "f", "s", "t", "k", "c"]).await?;
        assert!(item.data.unwrap_or_default() == value);
        assert_eq!((item.flags, item.size, item.ttl_remaining), (Some(u32::MAX), Some(value.len() as u64), Some(-1)));
        assert_eq!(item.key.as_deref(), Some(&b"value"[..]));
    }
    assert!(client.meta_get("nothing", false, None, Some(&["v"])).await?.is_none());
    assert!(client.meta_get("nothing", true, Some(b"opaque"), Some(&["v"])).await?.is_none());
    for key in ["schön", "ключ", "鍵", "🔑"] {
        client.meta_set(key, key, true, None, None).await?;
        assert_eq!(hit(client, key, &["v"]).await?.data.as_deref(), Some(key.as_bytes()));
    }
    Ok(())
}

async fn conditions_and_cas(client: &mut Client) -> Outcome {
    let refused = |result: Outcome<Option<MetaValue>>, status: Status| match result {
        Err(Error::Protocol(got)) => assert_eq!(got, status),
        other => panic!("{other:?} instead of {status:?}"),
    };
    refused(client.meta_set("co", "a", false, None, Some(&["MR"])).await, Status::NotStored);
    client.meta_set("co", "m", false, None, Some(&["ME"])).await?;
    refused(client.meta_set("co", "n", false, None, Some(&["ME"])).await, Status::NotStored);
    client.meta_set("co", "z", false, None, Some(&["MA"])).await?;
    client.meta_set("co", "a", false, None, Some(&["MP"])).await?;
    let cas = hit(client, "co", &["c"]).await?.cas.expect("a cas number");
    client.meta_set("co", "b", false, None, Some(&[&format!("C{cas}")])).await?;
    refused(client.meta_set("co", "c", false, None, Some(&[&format!("C{cas}")])).await, Status::Exists);
    refused(client.meta_delete("co", false, None, Some(&[&format!("C{cas}")])).await, Status::Exists);
    client.meta_delete("co", false, None, None).await?;
    assert!(client.meta_get("co", false, None, None).await?.is_none());
    Ok(())
}

async fn counters(client: &mut Client) -> Outcome {
    let number = |item: Option<MetaValue>| {
        item.and_then(|item| item.data).map(|data| String::from_utf8_lossy(&data).into_owned())
    };
    let created = client.meta_increment("n", false, None, None, Some(&["v", "N0", "J41"])).await?;
    assert_eq!(number(created).as_deref(), Some("41"));
    assert_eq!(number(client.meta_increment("n", false, None, Some(9), Some(&["v"])).await?).as_deref(), Some("50"));
    assert_eq!(number(client.meta_decrement("n", false, None, Some(100), Some(&["v"])).await?).as_deref(), Some("0"));
    Ok(())
}

async fn renewal(client: &mut Client, other: &mut Client) -> Outcome {
    client.meta_set("page", "old", false, None, Some(&["T1000"])).await?;
    client.meta_delete("page", false, None, Some(&["I", "T100"])).await?;
    let first = hit(client, "page", &["v"]).await?;
    assert_eq!((first.is_stale, first.is_recache_winner), (Some(true), Some(true)), "{first:?}");
    let second = hit(other, "page", &["v", "t"]).await?;
    assert_eq!((second.is_stale, second.is_recache_winner), (Some(true), Some(false)), "{second:?}");
    client.meta_set("page", "new", false, None, Some(&["T1000"])).await?;
    let renewed = hit(other, "page", &["v", "h"]).await?;
    assert_eq!((renewed.is_stale, renewed.data.as_deref()), (None, Some(&b"new"[..])), "{renewed:?}");
    let created = hit(client, "made", &["v", "N30"]).await?;
    assert_eq!(created.is_recache_winner, Some(true));
    assert_eq!(hit(other, "made", &["v", "N30"]).await?.is_recache_winner, Some(false));
    Ok(())
}

async fn many(client: &mut Client) -> Outcome {
    let items: Vec<(String, String)> =
        (0..1000).map(|i| (format!("many-{i}"), i.to_string().repeat(i % 50 + 1))).collect();
    let borrowed: Vec<(&str, &str)> = items.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert!(client.meta_set_multi(&borrowed, Some(&["T300"])).await?.is_empty());
    let keys: Vec<String> = items.iter().map(|(key, _)| key.clone()).chain(["nothing".into()]).collect();
    let found = client.meta_get_multi(&keys, Some(&["v", "t"])).await?;
    assert_eq!(found.len(), items.len());
    for (item, (key, value)) in found.iter().zip(&items) {
        assert_eq!(item.key.as_deref(), Some(key.as_bytes()));
        assert_eq!(item.data.as_deref(), Some(value.as_bytes()));
    }
    Ok(())
}

async fn expiry(client: &mut Client) -> Outcome {
    client.meta_set("short", "x", false, None, Some(&["T1"])).await?;
    client.meta_set("touched", "x", false, None, Some(&["T1000"])).await?;
    let ttl = hit(client, "touched", &["T1", "t"]).await?.ttl_remaining;
    assert!(ttl.is_some_and(|ttl| ttl <= 1), "{ttl:?}");
    let start = Instant::now();
    for key in ["short", "touched"] {
        while client.meta_get(key, false, None, None).await?.is_some() {
            assert!(start.elapsed() < PATIENCE, "{key} does not expire");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// The server goes away and comes back with what it said it had stored.
async fn restart(client: &mut Client, address: &str) -> Outcome {
    client.meta_set("survivor", "still here", false, None, None).await?;
    println!("restart");
    std::io::stdin().read_line(&mut String::new()).expect("an answer");
    // A connection of this client does not come back by itself.
    assert!(client.meta_get("survivor", false, None, None).await.is_err());
    let start = Instant::now();
    let mut client = loop {
        match Client::new(address).await {
            Ok(client) => break client,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(hit(&mut client, "survivor", &["v"]).await?.data.as_deref(), Some(&b"still here"[..]));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let address = format!("tcp://127.0.0.1:{}", std::env::args().nth(1).expect("a port"));
    let (mut client, mut other) = (Client::new(&address).await?, Client::new(&address).await?);
    values(&mut client).await?;
    conditions_and_cas(&mut client).await?;
    counters(&mut client).await?;
    renewal(&mut client, &mut other).await?;
    many(&mut client).await?;
    expiry(&mut client).await?;
    restart(&mut client, &address).await
}
