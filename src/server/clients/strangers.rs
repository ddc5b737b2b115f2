//! How often somebody without a valid key may knock, by address. Whoever has a key is never counted.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, MonotonicClock},
    state::keyed::HashMapStateStore,
};

/// Those whose key was wrong or missing.
#[derive(Debug)]
pub(crate) struct Strangers(RateLimiter<IpAddr, HashMapStateStore<IpAddr>, MonotonicClock>);

/// Ten a minute, and twenty at once: a person mistypes, a program guesses.
const PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);
/// Addresses that are remembered; beyond them all others count as one.
const MAX_ADDRESSES: usize = 10_000;

impl Default for Strangers {
    fn default() -> Self {
        let quota = Quota::per_minute(PER_MINUTE).allow_burst(AT_ONCE);
        Self(RateLimiter::new(quota, HashMapStateStore::default(), MonotonicClock))
    }
}

impl Strangers {
    /// Counts a refusal; says how long to wait if there were too many.
    pub(crate) fn count(&self, address: IpAddr) -> Result<(), Duration> {
        if self.0.len() >= MAX_ADDRESSES {
            self.0.retain_recent();
        }
        let full = self.0.len() >= MAX_ADDRESSES;
        let key = if full { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { network(address) };
        self.0.check_key(&key).map_err(|not_until| not_until.wait_time_from(MonotonicClock.now()))
    }
}

/// A household has as many IPv6 addresses as it likes, but one network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_count() {
        let strangers = Strangers::default();
        let [first, second] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        for _ in 0..20 {
            strangers.count(first).unwrap();
        }
        assert!(strangers.count(first).unwrap_err() <= Duration::from_secs(6));
        strangers.count(second).unwrap();
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_mapped_addresses_are_no_others() {
        let network = |address: &str| network(address.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn the_memory_is_bounded() {
        let strangers = Strangers::default();
        for number in 0..30_000_u32 {
            let _unheeded = strangers.count(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
        }
        assert!(strangers.0.len() <= MAX_ADDRESSES + 1, "{}", strangers.0.len());
    }
}
