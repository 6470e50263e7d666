//! DUKPT with double-length TDES keys: ANSI X9.24-1:2009 annex A, kept as X9.24-3:2017 annex C.

use super::counter::{check, stations};
use super::{DukptError, Use};
use crate::crypto::block_key::{Algorithm, BlockKey};
use crate::payment::key_set::{Cipher, DataVariant};
use cbc::cipher::{BlockCipherEncrypt, KeyInit};
use des::{Des, TdesEde2};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a key serial number.
pub const KSN_LEN: usize = 10;
/// The counter's bits, the last 21 of the KSN.
const COUNTER_MASK: u32 = 0x1F_FFFF;
/// Counters do not depend on the variant.
const SCHEME: Cipher = Cipher::TdesDukpt(DataVariant::DataRequest);
/// What makes a second key of each half (A.2, "C0C0C0C000000000").
const OTHER_KEY: u64 = 0xC0C0_C0C0_0000_0000;

/// The initial key of the reader with this KSN, whose counter does not matter (A.6).
///
/// # Errors
/// `Cipher` unless the base key is of TDES.
pub fn initial_key(base: &BlockKey, ksn: [u8; KSN_LEN]) -> Result<BlockKey, DukptError> {
    let base = Halves::of(base)?;
    let [front @ .., _, _] = ksn;
    // The counter's highest five bits lie in this front.
    let front = u64::from_be_bytes(front) & !u64::from(COUNTER_MASK >> 16);
    let other = Halves { left: base.left ^ OTHER_KEY, right: base.right ^ OTHER_KEY };
    let [left] = base.encrypted([front]);
    let [right] = other.encrypted([front]);
    Ok(Halves { left, right }.key())
}

/// The key of the one message with this KSN. The variant counts for data only.
///
/// # Errors
/// `Cipher` unless the initial key is of TDES; `ZeroCounter` or `TooManyOnes` for a counter that
/// no reader uses.
pub fn working_key(
    initial: &BlockKey,
    ksn: [u8; KSN_LEN],
    purpose: Use,
    variant: DataVariant,
) -> Result<BlockKey, DukptError> {
    let mut key = Halves::of(initial)?;
    check(SCHEME, counter(ksn))?;
    let [_, _, back @ ..] = ksn;
    let register = u64::from_be_bytes(back) & !u64::from(COUNTER_MASK);
    for station in stations(counter(ksn)) {
        key.step(register | u64::from(station));
    }
    let (mask, own) = variation(purpose, variant);
    key.left ^= mask;
    key.right ^= mask;
    if own {
        let [left, right] = key.encrypted([key.left, key.right]);
        key = Halves { left, right };
    }
    Ok(key.key())
}

/// The counter in a KSN: the last 21 of its bits.
#[must_use]
pub fn counter(ksn: [u8; KSN_LEN]) -> u32 {
    let [.., high, middle, low] = ksn;
    u32::from_be_bytes([0, high, middle, low]) & COUNTER_MASK
}

/// What is laid over both halves of the transaction key (table A-1), and whether the halves are
/// then encrypted under the key that has come of it (figure A-2).
fn variation(purpose: Use, variant: DataVariant) -> (u64, bool) {
    match (purpose, variant) {
        (Use::Pin, _)
        | (Use::DataRequest | Use::DataBoth | Use::DataResponse, DataVariant::Pin) => (0xFF, false),
        (Use::MacRequest | Use::MacBoth, _) => (0xFF00, false),
        (Use::DataRequest | Use::DataBoth, DataVariant::DataRequest) => (0x00FF_0000, true),
        (Use::MacResponse, _) => (0xFF00_0000, false),
        (Use::DataResponse, DataVariant::DataRequest) => (0x00FF_0000_0000, true),
    }
}

/// The two halves of a key. Parity bits are kept as they come: the standard sets none.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Halves {
    left: u64,
    right: u64,
}

impl Halves {
    fn of(key: &BlockKey) -> Result<Self, DukptError> {
        let (halves, _) = key.expose().as_chunks();
        match *halves {
            [left, right] if key.algorithm() == Algorithm::Tdes => {
                Ok(Self { left: u64::from_be_bytes(left), right: u64::from_be_bytes(right) })
            }
            _ => Err(DukptError::Cipher),
        }
    }

    fn bytes(&self) -> Zeroizing<[u8; 16]> {
        let whole = u128::from(self.left) << 64 | u128::from(self.right);
        Zeroizing::new(whole.to_be_bytes())
    }

    fn key(&self) -> BlockKey {
        BlockKey::tdes(*self.bytes())
    }

    /// Blocks, each by itself under this key.
    fn encrypted<const BLOCKS: usize>(&self, blocks: [u64; BLOCKS]) -> [u64; BLOCKS] {
        let cipher = TdesEde2::new((&*self.bytes()).into());
        blocks.map(|block| {
            let mut block = Zeroizing::new(block.to_be_bytes());
            cipher.encrypt_block((&mut *block).into());
            u64::from_be_bytes(*block)
        })
    }

    /// The non-reversible key generation (A.2) for one value of the KSN register.
    fn step(&mut self, register: u64) {
        let left = one_way(self.left ^ OTHER_KEY, self.right ^ OTHER_KEY, register);
        self.right = one_way(self.left, self.right, register);
        self.left = left;
    }
}

/// The register, whitened by one half before and after, encrypted under the other.
fn one_way(left: u64, right: u64, register: u64) -> u64 {
    let key = Zeroizing::new(left.to_be_bytes());
    let mut block = Zeroizing::new((right ^ register).to_be_bytes());
    Des::new((&*key).into()).encrypt_block((&mut *block).into());
    u64::from_be_bytes(*block) ^ right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::ksn::Ksn;

    const BASE: &str = "0123456789ABCDEFFEDCBA9876543210";
    const READER: &str = "FFFF9876543210E00000";

    fn with_counter(ksn: [u8; KSN_LEN], counter: u32) -> [u8; KSN_LEN] {
        let ksn = Ksn::from_slice(&ksn).unwrap().with_counter(SCHEME, counter).unwrap();
        ksn.as_bytes().try_into().unwrap()
    }

    fn key(text: &str) -> BlockKey {
        BlockKey::from_hex(Algorithm::Tdes, text).unwrap()
    }

    fn ksn(counter: u32) -> [u8; KSN_LEN] {
        let reader = hex::decode(READER).unwrap().try_into().unwrap();
        with_counter(reader, counter)
    }

    fn initial() -> BlockKey {
        initial_key(&key(BASE), ksn(0)).unwrap()
    }

    fn working(counter: u32, purpose: Use, variant: DataVariant) -> String {
        let key = working_key(&initial(), ksn(counter), purpose, variant).unwrap();
        hex::encode_upper(key.expose())
    }

    #[test]
    fn the_standards_initial_key_is_derived_whatever_the_count() {
        // X9.24-1:2009 A.4.
        for counter in [0, 1, 0x10000, 0x1F_F800] {
            let initial = initial_key(&key(BASE), ksn(counter)).unwrap();
            let expected = "6AC292FAA1315B4D858AB3A3D7D5933A";
            assert_eq!(hex::encode_upper(initial.expose()), expected);
        }
    }

    #[test]
    fn the_standards_pin_and_mac_keys_are_derived() {
        // X9.24-1:2009 A.4.2, the first counts of a reader, and A.4.3, a carry through the counter.
        for (counter, pin, mac) in PIN_AND_MAC {
            assert_eq!(working(*counter, Use::Pin, DataVariant::DataRequest), *pin, "{counter:X}");
            assert_eq!(working(*counter, Use::MacRequest, DataVariant::Pin), *mac, "{counter:X}");
            assert_eq!(working(*counter, Use::MacBoth, DataVariant::Pin), *mac);
        }
    }

    #[test]
    fn the_published_data_keys_are_derived() {
        // The variants of table A-1, encrypted as in figure A-2, of the counts of A.4.2.
        for (counter, data) in DATA {
            assert_eq!(working(*counter, Use::DataRequest, DataVariant::DataRequest), *data);
            assert_eq!(working(*counter, Use::DataBoth, DataVariant::DataRequest), *data);
        }
        let response = working(8, Use::DataResponse, DataVariant::DataRequest);
        assert_eq!(response, "846E267CB822197406DA2B161191C6E4");
        let response = working(8, Use::MacResponse, DataVariant::DataRequest);
        assert_eq!(response, "27F66D52BBFF62E1AA6F612012EB4280");
        let response = working(1, Use::MacResponse, DataVariant::DataRequest);
        assert_eq!(response, "042666B46E84CFA368DE96282F397BC9");
    }

    #[test]
    fn by_the_older_habit_data_goes_under_the_pin_key() {
        // A track that readers' makers publish for this base key: count 8, CBC, PIN variant.
        let initial = initial();
        let older = working_key(&initial, ksn(8), Use::DataRequest, DataVariant::Pin).unwrap();
        assert_eq!(hex::encode_upper(older.expose()), "27F66D5244FF621EAA6F6120EDEB427F");
        let mut data = hex::decode(
            "C25C1D1197D31CAA87285D59A892047426D9182EC11353C051ADD6D0F072A6CB\
             3436560B3071FC1FD11D9F7E74886742D9BEE0CFD1EA1064C213BB55278B2F12",
        )
        .unwrap();
        older.decrypt(&mut data).unwrap();
        let track = b"%B5452300551227189^HOGAN/PAUL      ^08043210000000725000000?";
        assert!(data.starts_with(track));
        for purpose in [Use::DataResponse, Use::DataBoth] {
            assert_eq!(
                working(8, purpose, DataVariant::Pin),
                working(8, Use::Pin, DataVariant::Pin)
            );
        }
    }

    #[test]
    fn the_counter_is_the_last_21_bits_of_the_ksn() {
        let ksn = hex::decode("FFFF9876543210EFF801").unwrap().try_into().unwrap();
        assert_eq!(counter(ksn), 0xF_F801);
        let next = with_counter(ksn, 0x10_0000);
        assert_eq!(hex::encode_upper(next), "FFFF9876543210F00000");
        assert_eq!(counter([0xFF; KSN_LEN]), 0x1F_FFFF);
    }

    #[test]
    fn the_standards_counts_follow_each_other() {
        // A.4.2 and A.4.3 list the counts that a reader uses one after the other.
        for pair in PIN_AND_MAC.windows(2) {
            let [(count, ..), (following, ..)] = pair else { unreachable!() };
            if *following != 0xF_F800 {
                assert_eq!(SCHEME.next_counter(*count), Some(*following), "{count:X}");
            }
        }
    }

    #[test]
    fn a_carry_skips_what_has_more_than_ten_ones() {
        for (count, next) in [
            (0, 1),
            (0x0F, 0x10),
            (0x3FE, 0x3FF),
            (0x3FF, 0x400),
            (0x7FE, 0x800),
            (0x7FF, 0x800),
            (0xF_FC00, 0x10_0000),
            (0x1F_F000, 0x1F_F001),
            (0x1F_F400, 0x1F_F800),
        ] {
            assert_eq!(SCHEME.next_counter(count), Some(next), "{count:X}");
        }
    }

    #[test]
    fn a_readers_life_is_a_million_counts_and_ends() {
        // The sum of the ways to choose one to ten of 21 bits.
        let life =
            std::iter::successors(SCHEME.next_counter(0), |count| SCHEME.next_counter(*count));
        assert_eq!(life.clone().count(), (1 << 20) - 1);
        assert_eq!(life.last(), Some(0x1F_F800));
        for dead in [0x1F_F800, 0x1F_F801, 0x1F_FFFF, 0x20_0000, u32::MAX] {
            assert_eq!(SCHEME.next_counter(dead), None);
        }
    }

    #[test]
    fn a_count_that_no_reader_uses_gives_no_key() {
        let refused = |counter| {
            assert!(!SCHEME.is_legal_counter(counter));
            working_key(&initial(), ksn(counter), Use::Pin, DataVariant::Pin).unwrap_err()
        };
        assert_eq!(refused(0), DukptError::ZeroCounter);
        for counter in [0x7FF, 0x1F_F801, 0x1F_FFFF] {
            assert_eq!(refused(counter), DukptError::TooManyOnes);
        }
        assert!(!SCHEME.is_legal_counter(0x20_0000));
        assert!(SCHEME.is_legal_counter(0x1F_F800));
    }

    #[test]
    fn a_key_of_aes_is_refused() {
        let aes = BlockKey::from_slice(Algorithm::Aes128, &[1; 16]).unwrap();
        assert_eq!(initial_key(&aes, ksn(1)).unwrap_err(), DukptError::Cipher);
        let refused = working_key(&aes, ksn(1), Use::Pin, DataVariant::Pin);
        assert_eq!(refused.unwrap_err(), DukptError::Cipher);
    }

    const PIN_AND_MAC: &[(u32, &str, &str)] = &[
        (0x1, "042666B49184CF5C68DE9628D0397B36", "042666B4918430A368DE9628D03984C9"),
        (0x2, "C46551CEF9FD244FAA9AD834130D3B38", "C46551CEF9FDDBB0AA9AD834130DC4C7"),
        (0x3, "0DF3D9422ACA561A47676D07AD6BAD05", "0DF3D9422ACAA9E547676D07AD6B52FA"),
        (0x4, "279C0F6AEED0BE9A2B2C733E1383AE6E", "279C0F6AEED041652B2C733E13835191"),
        (0x5, "5F8DC6D2C845C1DA508DDC048093B8C0", "5F8DC6D2C8453E25508DDC048093473F"),
        (0x6, "5E415CB0BAF9F0C3D0C14B63FB62FFBC", "5E415CB0BAF90F3CD0C14B63FB620043"),
        (0x7, "0C8F780B7C8B492FAE84A9EB2A6CE69F", "0C8F780B7C8BB6D0AE84A9EB2A6C1960"),
        (0x8, "27F66D5244FF621EAA6F6120EDEB427F", "27F66D5244FF9DE1AA6F6120EDEBBD80"),
        (0x9, "27E31064FDC565968900E2057F658E81", "27E31064FDC59A698900E2057F65717E"),
        (0xA, "6CF2500A22507C83C776CEADC1E330EB", "6CF2500A2250837CC776CEADC1E3CF14"),
        (0xB, "3E8260BA04B2D6DFC01482B3819A1848", "3E8260BA04B22920C01482B3819AE7B7"),
        (0xC, "B716E1E11CF53D7F726CAEE75C3A62B0", "B716E1E11CF5C280726CAEE75C3A9D4F"),
        (0xD, "E072EDF9534053A0B6C581C58FBF25CC", "E072EDF95340AC5FB6C581C58FBFDA33"),
        (0xE, "A80046087F5B8FDB5AAD95E1842908B0", "A80046087F5B70245AAD95E18429F74F"),
        (0xF, "93DD5B956C4878B82E453AAEFD32A555", "93DD5B956C4887472E453AAEFD325AAA"),
        (0x10, "59598DCBD9BD943F94165CE453585FA8", "59598DCBD9BD6BC094165CE45358A057"),
        (0x11, "2B5F01F4F0CC0515639D523231BF1B5D", "2B5F01F4F0CCFAEA639D523231BFE4A2"),
        (0x12, "9CF640F279C2AE1915F725EEEAC2CB50", "9CF640F279C251E615F725EEEAC234AF"),
        (0x13, "C3DF489FDF11534BF03DE97C27DC4CD0", "C3DF489FDF11ACB4F03DE97C27DCB32F"),
        (0x14, "658488507721B30E4737FA93F923CB2D", "6584885077214CF14737FA93F92334D2"),
        (0x15, "E161D1956A61F62DF37AFD7F9CC36965", "E161D1956A6109D2F37AFD7F9CC3969A"),
        (0xF_F800, "F9CDFEBF4F5B1D61B3EC12454527E189", "F9CDFEBF4F5BE29EB3EC124545271E76"),
        (0xF_F801, "5BEE92627E9782A3911BF619DF72CAC4", "5BEE92627E977D5C911BF619DF72353B"),
        (0xF_F802, "64CA2F8AB93F614F1620B00BF77C73FE", "64CA2F8AB93F9EB01620B00BF77C8C01"),
        (0xF_F804, "35A168695B3BA8CC07E871C42021DDC8", "35A168695B3B573307E871C420212237"),
        (0xF_F808, "12C380FCB72ED33D6FC6079AF63F4778", "12C380FCB72E2CC26FC6079AF63FB887"),
        (0xF_F810, "D8007C833A1E3CB6C6889B97A68C5400", "D8007C833A1EC349C6889B97A68CABFF"),
        (0xF_F820, "A9C9FF9B735FDDB6591F296B0BF0FD8F", "A9C9FF9B735F2249591F296B0BF00270"),
        (0xF_F840, "0E3E221062CB5EFCA384602783A00405", "0E3E221062CBA103A384602783A0FBFA"),
        (0xF_F880, "CA8225C587124D04B87F279C0BE297D8", "CA8225C58712B2FBB87F279C0BE26827"),
        (0xF_F900, "906AAC1751D497E5144D52C76C6E1F68", "906AAC1751D4681A144D52C76C6EE097"),
        (0xF_FA00, "2B9E2CE7C27503C8E10B54D2989EA650", "2B9E2CE7C275FC37E10B54D2989E59AF"),
        (0xF_FC00, "F9430DF97508246EC77BE4EF4FDB9111", "F9430DF97508DB91C77BE4EF4FDB6EEE"),
        (0x10_0000, "AA4D58DB653EC7B548C75F2F047DD24A", "AA4D58DB653E384A48C75F2F047D2DB5"),
    ];

    const DATA: &[(u32, &str)] = &[
        (0x1, "448D3F076D8304036A55A3D7E0055A78"),
        (0x2, "F1BE73B36135C5C26CF937D50ABBE5AF"),
        (0x3, "EEEEF522C67239E4A2A65FEBF4C511F4"),
        (0x4, "BCF2610997C3AC3C5F13AE965A1B773B"),
        (0x5, "F3054D8B7471284BDB4EE18AFC3B091B"),
        (0x6, "BAF444BBC5D02752D6CEC9C51226AF53"),
        (0x7, "E613858B288B6ACAA7AE454931B21C56"),
        (0x8, "C39B2778B058AC376FB18DC906F75CBA"),
        (0x9, "BC6612B3A4FAB5B165AC928BBD9DB6F0"),
        (0xA, "BC9C848366B1F9997656DD8004C5C43B"),
        (0xB, "0D790AC0C7E16699F235293F546D29CD"),
        (0xC, "D57E353ABF3F0CB0B951B5D8820AD741"),
        (0xD, "ACAEAA2E23F9900552C2132890CE5390"),
        (0x13, "44893E3434ABDD6A817CE2841825E1FD"),
    ];
}
