//! The fuzz targets' checks on the stable toolchain: garbage and damaged messages never panic.

use proptest::collection::vec;
use proptest::prelude::*;

#[path = "../../../fuzz/src/frames.rs"]
mod frames;
#[path = "../../../fuzz/src/scram.rs"]
mod scram;
#[path = "../../../fuzz/src/startup.rs"]
mod startup;

/// Messages of which a few bytes are changed get further than garbage.
const MESSAGES: [&[u8]; 9] = [
    b"\0\0\0\x2d\0\x03\0\x02user\0alice\0database\0shop\0DateStyle\0\0\0",
    b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\x01\x02abcd",
    b"Q\0\0\0\x0dselect 1\0S\0\0\0\x04",
    b"P\0\0\0\x15s\0select\0\0\x02\0\0\0\x17\0\0\0\x19",
    b"R\0\0\0\x1a\0\0\0\x0aSCRAM-SHA-256\0\0\0",
    b"E\0\0\0\x24SFATAL\0VFATAL\0C28P01\0Mno\0Dd\0Hh\0\0",
    b"v\0\0\0\x1a\0\x03\0\x02\0\0\0\x02_pq_.a\0_pq_.b\0",
    b"n,,n=,r=x\0c=biws,r=xAAAAAAAAAAAAAAAAAAAAAAAA,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    b"r=AAAAAAAAAAAAAAAAAAAAAAAAx,s=AAAA,i=1\0v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
];

fn check(bytes: &[u8]) {
    startup::check(bytes);
    frames::check(bytes);
    scram::check(bytes);
}

#[test]
fn messages_cut_anywhere_are_harmless() {
    for message in MESSAGES {
        for end in 0..=message.len() {
            check(&message[..end]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_is_harmless(bytes in vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn garbage_in_a_frame_is_harmless(tag: u8, body in vec(0_u8..4, 0..60)) {
        let len = u32::try_from(body.len() + 4).expect("the body is short");
        let mut bytes = vec![tag];
        bytes.extend(len.to_be_bytes());
        bytes.extend(body);
        check(&bytes);
    }

    #[test]
    fn damaged_messages_are_harmless(
        message in prop::sample::select(&MESSAGES[..]),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = message.to_vec();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        check(&bytes);
    }
}
