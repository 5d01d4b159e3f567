use super::*;
#[test]
fn measure() {
    fn used() -> usize {
        let m = unsafe { libc::mallinfo2() };
        m.uordblks + m.hblkhd
    }
    for value in [1usize, 10, 32, 100, 1000, 10000] {
        for n in [1000usize, 10_000, 70_000, 150_000, 250_000, 300_000] {
            if n * value > 400_000_000 {
                continue;
            }
            let store = MemoryStore::new(4 << 30, true);
            let before = used();
            let v = vec![7u8; value];
            let mut data = 0;
            for i in 0..n {
                let k = format!("key:{i}");
                data += k.len() + value;
                let v0 = store.version(1, k.as_bytes());
                assert!(store.fill(
                    1,
                    k.as_bytes(),
                    v0,
                    &NewItem { flags: 0, cas: 0, deadline: 0, value: Cow::Borrowed(&v) }
                ));
            }
            println!("value {value} n {n}: overhead {}", (used() - before - data) / n);
        }
    }
}
#[test]
fn speed() {
    for shift in [14, 20] {
        let store = MemoryStore::new(4 << 30, true);
        let n = 1usize << shift;
        let keys: Vec<String> = (0..n).map(|i| format!("key:{i}")).collect();
        let t = std::time::Instant::now();
        for k in &keys {
            store
                .update(1, k.as_bytes(), 1, |_| Change::Put {
                    item: NewItem { flags: 0, cas: 0, deadline: 0, value: Cow::Borrowed(&[1; 100]) },
                    result: (),
                })
                .unwrap();
        }
        println!("put {:?}", t.elapsed() / n as u32);
        let t = std::time::Instant::now();
        let mut i = 0usize;
        let mut sum = 0;
        for _ in 0..1 << 20 {
            i = (i * 1103515245 + 12345) & (n - 1);
            sum += store.get(1, keys[i].as_bytes(), 1, |c| c.value.len()).unwrap();
        }
        println!("n {n} get {:?} {sum}", t.elapsed() / (1 << 20));
    }
}
