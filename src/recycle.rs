//! Memory that is used again for values of another lifetime.

/// An empty vector with the memory of `used`: the standard library collects in place where the layouts agree, as those of one type with two
/// lifetimes do.
#[inline]
pub(crate) fn recycle<A, B>(mut used: Vec<A>) -> Vec<B> {
    used.clear();
    used.into_iter().map(|_| unreachable!("the vector was cleared")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_stays() {
        let text = String::from("text");
        let mut used: Vec<&str> = Vec::with_capacity(100);
        used.push(&text);
        let before = used.as_ptr().cast::<u8>();
        let again: Vec<&'static str> = recycle(used);
        assert_eq!((again.len(), again.capacity(), again.as_ptr().cast::<u8>()), (0, 100, before));
    }
}
