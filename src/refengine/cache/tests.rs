use super::*;

fn slice(bytes: &[u8]) -> Slice {
    Slice::new(bytes)
}

#[test]
fn a_fill_that_overlaps_a_commit_is_dropped() {
    let bytes = 1 << 20;
    let cache = RowCache::new(bytes).unwrap();
    let key = b"k";
    let ticket = cache.get(1, key).unwrap_err();
    cache.publish(1, key, Some(&slice(b"new")), bytes);
    cache.fill(ticket, 1, key, &slice(b"old"), bytes);
    assert!(cache.get(1, key).is_err(), "the commit came in between");
}
