//! DUKPT with AES keys: ANSI X9.24-3:2017. The names in brackets are those of its pseudo-code.

use super::counter::{check, stations};
use super::{DukptError, Use};
use crate::crypto::block_key::{Algorithm, BlockKey};
use crate::payment::key_set::{AesLength, Cipher};
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use zeroize::Zeroizing;

/// Bytes of a key serial number.
pub const KSN_LEN: usize = 12;
/// Bytes of a reader's initial key id: the base key's id and the reader's own.
pub const INITIAL_KEY_ID_LEN: usize = 8;

/// Counters do not depend on the length of the keys.
const SCHEME: Cipher = Cipher::AesDukpt(AesLength::Aes128);
/// Uses that are not those of working keys.
const KEY_DERIVATION: u16 = 0x8000;
const INITIAL_KEY: u16 = 0x8001;

/// The initial key of one reader, of the same length as the base key (Derive Initial Key).
///
/// # Errors
/// `Cipher` unless the base key is of AES.
pub fn initial_key(
    base: &BlockKey,
    initial_key_id: [u8; INITIAL_KEY_ID_LEN],
) -> Result<BlockKey, DukptError> {
    let mut key = Register::of(base)?;
    key.replace(base.algorithm(), INITIAL_KEY, u64::from_be_bytes(initial_key_id))?;
    key.key()
}

/// The key of the one message with this KSN (Host Derive Working Key). It is for AES with any
/// length up to the initial key's, or for TDES with double length.
///
/// # Errors
/// `Cipher` unless the initial key is of AES; `TooStrong` if the working key would be longer;
/// `ZeroCounter` or `TooManyOnes` for a counter that no reader uses.
pub fn working_key(
    initial: &BlockKey,
    ksn: [u8; KSN_LEN],
    purpose: Use,
    algorithm: Algorithm,
) -> Result<BlockKey, DukptError> {
    if algorithm.key_len() > initial.algorithm().key_len() {
        return Err(DukptError::TooStrong);
    }
    let mut key = transaction_key(initial, ksn)?;
    key.replace(algorithm, usage(purpose), context(ksn, counter(ksn)))?;
    key.key()
}

/// The key from which those of one message's several uses are derived.
fn transaction_key(initial: &BlockKey, ksn: [u8; KSN_LEN]) -> Result<Register, DukptError> {
    let mut key = Register::of(initial)?;
    check(SCHEME, counter(ksn))?;
    for station in stations(counter(ksn)) {
        key.replace(initial.algorithm(), KEY_DERIVATION, context(ksn, station))?;
    }
    Ok(key)
}

/// The counter in a KSN: its last four bytes.
#[must_use]
pub fn counter(ksn: [u8; KSN_LEN]) -> u32 {
    let [.., a, b, c, d] = ksn;
    u32::from_be_bytes([a, b, c, d])
}

/// The key usage indicator, seen from the reader.
fn usage(purpose: Use) -> u16 {
    match purpose {
        Use::Pin => 0x1000,
        Use::MacRequest => 0x2000,
        Use::MacResponse => 0x2001,
        Use::MacBoth => 0x2002,
        Use::DataRequest => 0x3000,
        Use::DataResponse => 0x3001,
        Use::DataBoth => 0x3002,
    }
}

/// The end of the derivation data: the reader's half of the initial key id, and a counter.
fn context(ksn: [u8; KSN_LEN], counter: u32) -> u64 {
    let [_, _, _, _, reader @ .., _, _, _, _] = ksn;
    u64::from(u32::from_be_bytes(reader)) << 32 | u64::from(counter)
}

/// A key that is replaced in place by those derived from it.
struct Register {
    algorithm: Algorithm,
    bytes: Zeroizing<[u8; 32]>,
}

impl Register {
    fn of(key: &BlockKey) -> Result<Self, DukptError> {
        if key.algorithm() == Algorithm::Tdes {
            return Err(DukptError::Cipher);
        }
        let mut register = Self { algorithm: key.algorithm(), bytes: Zeroizing::new([0; 32]) };
        for (to, from) in register.bytes.iter_mut().zip(key.expose()) {
            *to = *from;
        }
        Ok(register)
    }

    fn key(&self) -> Result<BlockKey, DukptError> {
        let bytes = self.bytes.get(..self.algorithm.key_len()).unwrap_or_default();
        BlockKey::from_slice(self.algorithm, bytes).ok_or(DukptError::Cipher)
    }

    /// Derive Key: as many blocks of derivation data as the new key needs,
    /// encrypted under the old one.
    fn replace(
        &mut self,
        algorithm: Algorithm,
        usage: u16,
        context: u64,
    ) -> Result<(), DukptError> {
        let data = derivation_data(algorithm, usage, context);
        let long = algorithm.key_len() > 16;
        match self.algorithm {
            Algorithm::Tdes => return Err(DukptError::Cipher),
            Algorithm::Aes128 => self.expand::<Aes128Enc>(data, long)?,
            Algorithm::Aes192 => self.expand::<Aes192Enc>(data, long)?,
            Algorithm::Aes256 => self.expand::<Aes256Enc>(data, long)?,
        }
        self.algorithm = algorithm;
        Ok(())
    }

    fn expand<C: KeyInit + BlockCipherEncrypt<BlockSize = U16>>(
        &mut self,
        data: [u8; 16],
        long: bool,
    ) -> Result<(), DukptError> {
        let old = self.bytes.get(..C::key_size()).unwrap_or_default();
        // The length is the algorithm's own, so it is never refused.
        let cipher = C::new_from_slice(old).map_err(|_| DukptError::Cipher)?;
        let (blocks, _) = self.bytes.as_chunks_mut();
        for (block, number) in blocks.iter_mut().zip(1..=1 + u8::from(long)) {
            *block = data;
            let [_, key_block, ..] = block;
            *key_block = number;
            cipher.encrypt_block(block.into());
        }
        Ok(())
    }
}

/// Version, key block (set later), use of the key, its algorithm and bits, and the context
/// (Create Derivation Data).
fn derivation_data(algorithm: Algorithm, usage: u16, context: u64) -> [u8; 16] {
    let (cipher, bits) = match algorithm {
        Algorithm::Tdes => (0, 128_u16),
        Algorithm::Aes128 => (2, 128),
        Algorithm::Aes192 => (3, 192),
        Algorithm::Aes256 => (4, 256),
    };
    let [use_high, use_low] = usage.to_be_bytes();
    let [bits_high, bits_low] = bits.to_be_bytes();
    let front = [1, 0, use_high, use_low, 0, cipher, bits_high, bits_low];
    (u128::from(u64::from_be_bytes(front)) << 64 | u128::from(context)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Algorithm::{Aes128, Aes192, Aes256, Tdes};

    const BASE128: &str = "FEDCBA9876543210F1F1F1F1F1F1F1F1";
    const BASE192: &str = "FEDCBA9876543210F1F1F1F1F1F1F1F1FEDCBA9876543210";
    const BASE256: &str = "FEDCBA9876543210F1F1F1F1F1F1F1F1FEDCBA9876543210F1F1F1F1F1F1F1F1";
    const ID: [u8; 8] = [0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56];

    fn ksn(id: [u8; INITIAL_KEY_ID_LEN], counter: u32) -> [u8; KSN_LEN] {
        [&id[..], &counter.to_be_bytes()].concat().try_into().unwrap()
    }

    fn initial(algorithm: Algorithm) -> BlockKey {
        let base = match algorithm {
            Aes128 => BASE128,
            Aes192 => BASE192,
            _ => BASE256,
        };
        initial_key(&BlockKey::from_hex(algorithm, base).unwrap(), ID).unwrap()
    }

    fn transaction(algorithm: Algorithm, count: u32) -> String {
        let register = transaction_key(&initial(algorithm), ksn(ID, count)).unwrap();
        hex::encode_upper(register.key().unwrap().expose())
    }

    fn working(from: Algorithm, count: u32, purpose: Use, to: Algorithm) -> String {
        let key = working_key(&initial(from), ksn(ID, count), purpose, to).unwrap();
        assert_eq!(key.algorithm(), to);
        hex::encode_upper(key.expose())
    }

    /// The lines of a table: a count and keys.
    fn lines<const KEYS: usize>(table: &str) -> Vec<(u32, [&str; KEYS])> {
        let words: Vec<_> = table.split_whitespace().collect();
        let line = |words: &[_]| (count(words[0]), words[1..].try_into().unwrap());
        words.chunks(1 + KEYS).map(line).collect()
    }

    fn count(text: &str) -> u32 {
        u32::from_str_radix(text, 16).unwrap()
    }

    /// Holds PIN, MAC and data keys against a table.
    fn hold(from: Algorithm, to: Algorithm, table: &str) {
        for (count, [pin, mac, data]) in lines(table) {
            assert_eq!(working(from, count, Use::Pin, to), pin, "{count:X}");
            assert_eq!(working(from, count, Use::MacRequest, to), mac, "{count:X}");
            assert_eq!(working(from, count, Use::DataRequest, to), data, "{count:X}");
        }
    }

    #[test]
    fn the_published_initial_keys_are_derived() {
        // X9.24-3:2017 annex B; 32 bytes: the supplement of test vectors that X9 publishes; 24
        // bytes are in neither, and stand in a reader maker's sample.
        for (algorithm, expected) in [
            (Aes128, "1273671EA26AC29AFA4D1084127652A1"),
            (Aes192, "5B6DEE2B5B7FABFFA32591F35BF8F23DD9329AE85131E584"),
            (Aes256, "CE9CE0C101D1138F97FB6CAD4DF045A7083D4EAE2D35A31789D01CCF0949550F"),
        ] {
            assert_eq!(hex::encode_upper(initial(algorithm).expose()), expected);
        }
    }

    #[test]
    fn the_supplements_transaction_keys_are_derived() {
        // X9's supplement to X9.24-3:2017: the first counts, a carry over a value with 17 ones
        // and the last counts.
        for (count, [short, long]) in lines(TRANSACTION) {
            assert_eq!(transaction(Aes128, count), short, "{count:X}");
            assert_eq!(transaction(Aes256, count), long, "{count:X}");
        }
    }

    #[test]
    fn the_supplements_working_keys_are_derived() {
        hold(Aes128, Aes128, FROM_128);
        // All uses, at the first count.
        for (purpose, expected) in [
            (Use::MacResponse, "DBB463945B286C07CD3AD82EE96FD9C9"),
            (Use::MacBoth, "85675439D18D7F1158BD8E3EAA3D502B"),
            (Use::DataResponse, "16292C6EA8F64C5420A0584BFBC577BE"),
            (Use::DataBoth, "A308E080DD15A1B741F1721BF67DE11C"),
        ] {
            assert_eq!(working(Aes128, 1, purpose, Aes128), expected, "{purpose:?}");
        }
        // PIN keys of the last counts.
        for (count, [short, long]) in lines(LAST_PIN) {
            assert_eq!(working(Aes128, count, Use::Pin, Aes128), short, "{count:X}");
            assert_eq!(working(Aes256, count, Use::Pin, Aes256), long, "{count:X}");
        }
    }

    #[test]
    fn the_supplements_keys_of_other_lengths_are_derived() {
        hold(Aes256, Aes256, FROM_256);
        hold(Aes256, Aes128, FROM_256_TO_128);
        hold(Aes128, Tdes, FROM_128_TO_TDES);
    }

    #[test]
    fn keys_of_24_bytes_agree_with_another_implementation() {
        // No publication of X9 has such keys.
        hold(Aes192, Aes192, FROM_192);
        hold(Aes192, Aes128, FROM_192_TO_128);
    }

    #[test]
    fn a_working_key_is_not_stronger_than_the_initial_key() {
        for (from, to) in [(Aes128, Aes192), (Aes128, Aes256), (Aes192, Aes256)] {
            let refused = working_key(&initial(from), ksn(ID, 1), Use::Pin, to);
            assert_eq!(refused.unwrap_err(), DukptError::TooStrong);
        }
        for to in [Aes128, Aes192, Aes256, Tdes] {
            assert!(working_key(&initial(Aes256), ksn(ID, 1), Use::Pin, to).is_ok());
        }
    }

    #[test]
    fn the_ksn_ends_with_the_counter() {
        let ksn = ksn(ID, 0x0084_5FED);
        assert_eq!(hex::encode_upper(ksn), "123456789012345600845FED");
        assert_eq!(counter(ksn), 0x0084_5FED);
    }

    #[test]
    fn a_carry_skips_what_has_more_than_sixteen_ones() {
        for (count, next) in [
            (0, 1),
            (0x0F, 0x10),
            (0x3FF, 0x400),
            (0xFFFF, 0x1_0000),
            (0x1_FFFE, 0x2_0000),
            (0x1_FFFF, 0x2_0000),
            (0x2_0000, 0x2_0001),
            (0xFFFE_2000, 0xFFFE_4000),
            (0xFFFE_4000, 0xFFFE_8000),
            (0xFFFE_8000, 0xFFFF_0000),
        ] {
            assert_eq!(SCHEME.next_counter(count), Some(next), "{count:X}");
        }
    }

    #[test]
    fn a_readers_life_ends() {
        for dead in [0xFFFF_0000, 0xFFFF_0001, u32::MAX] {
            assert_eq!(SCHEME.next_counter(dead), None);
        }
    }

    #[test]
    fn a_count_that_no_reader_uses_gives_no_key() {
        let refused = |count| {
            assert!(!SCHEME.is_legal_counter(count));
            working_key(&initial(Aes128), ksn(ID, count), Use::Pin, Aes128).unwrap_err()
        };
        assert_eq!(refused(0), DukptError::ZeroCounter);
        for count in [0x1_FFFF, 0xFFFF_0001, u32::MAX] {
            assert_eq!(refused(count), DukptError::TooManyOnes);
        }
        assert!(SCHEME.is_legal_counter(0xFFFF_0000));
    }

    #[test]
    fn a_key_of_tdes_is_refused() {
        let tdes = BlockKey::tdes([1; 16]);
        assert_eq!(initial_key(&tdes, ID).unwrap_err(), DukptError::Cipher);
        let refused = working_key(&tdes, ksn(ID, 1), Use::Pin, Aes128);
        assert_eq!(refused.unwrap_err(), DukptError::Cipher);
    }

    const TRANSACTION: &str = "
        1 4F21B565BAD9835E112B6465635EAE44
          54AC2B32B145EA4A554CB8BC44B17467063A799856B1CCC2A138D36E8DBF78B3
        2 2F34D68DE10F68D38091A73B9E7C437C
          5DD5A0253842BBBE1D7C0DA27021412C6F1FAB53FB928DEAE56DA06090A9DE97
        3 031504E530365CF81264238540518318
          8EEEF7C464AE415BB1D73FAED21993CD669F7999092A579EC6DD3CC680C65171
        4 0EEFC7ADA628BA68878DA9165A8A1887
          C18CBED570B3B89ECADA7CEC9C224CD5A86ECF3DE377D3EFAB720F8C4D76B9D0
        5 C2A7AC328A5DA2D6002D62465BFC028B
          6B3C3C93307151C25DC2309456F01C5C3108DAD571C321899A9B7E0C009FD2EB
        6 D30F7D9351DA58448A2F5E92B4EE3B7D
          B8BB61AE3E2D5CD8C699E0C578FB2C7B89B0C0CF02DBAB60864D8049C986C844
        7 A8253CEED9AC042C54F75D35C8352278
          88D0ACA287B3066F5DE0C93396337D4C2DA8D92C1F720A576D62CEB4C979E01E
        8 718EE6CF0B27E53D5F7AF99C4D8146A2
          20A796D5077D51B8E7613893A4F095B134E02917DC84BD391F3661D0873FF308
        1FFFE E21E8C8D347F8561A2BE752DAA85A111
          A289508CBF1228452CD86AB77B15CB35577AC828C18BB66681E5A16D6C9CCED3
        20000 F7AE9025468A25D37B7249CFFED224C8
          D62DDA94A47D7DA5D763443B4ECB15EA8DD62E0E4F915958BA459591F8312E37
        20001 692C8EA4013645135B36497131DF9D2C
          44110A1102748D4A3AC326F53D8CAC650212590CA7126D54546DDE0F20E89CEE
        FFFE2000 48E585B694EB0B18D5C35443E163C0BA
          4625EB06E4886D4AFCC9AE37ED4F4E4E1653C9E60E3F24742A87A26AA96AB7A6
        FFFE4000 396C2C7CA1EA701C03B86B7D41F0C562
          FF20E1BB575539ACCB44E3111BE8757F83AE8549A2DD71B441A4A424F7FFD4B1
        FFFE8000 0387625F189B58AE03EF0E8CCA41105E
          630535C9C53E1EC6524016930B56F6728909C45403536B419AEBCB25B7351C07
        FFFF0000 F6BA59389BD14A9855BE9727E7C52E3C
          6D6DB7AAAE8B3EA90E57A39E4BBA71E173B21B446B30A78D64BFC6A8806C55EE";

    const LAST_PIN: &str = "
        FFFE4000 6239A27F572DEDB17BCA1AC413EF9FE9
          F388FF9FB1D66E8812BC67CA5B85CE5554063E09A2440EC1AF4EB433CCFBAF35
        FFFE8000 F10C1404137A80718FCCE8BD90FF9F67
          FAC4E05A67AB1522505CF0E94E5977B99D0E5B116D76ABB6B8A64F0D785FF6DF
        FFFF0000 27EFAC1D158632588F4AC69E45C247C4
          88B82556AEF4A681E0687F443A4C4F305AF9203B114470DFC77C7F08BC43F9DA";

    const FROM_128: &str = "
        1 AF8CB133A78F8DC2D1359F18527593FB A2DC23DE6FDE0824A2BC321E08E4B8B7
          A35C412EFD41FDB98B69797C02DCD08F
        2 D30BDC73EC9714B000BEC66BDB7B6D09 484C3B06E8562704528CD5B46FB12FB6
          D639514AA33AC43AD9229E433D6D4E5B
        3 7D69F01F3B45449F62C7816ECE723268 A5DF7D9D800CA769766F0C77CA4E6E6C
          EF17F6AB45B4820C93A3DCB21BC491AD
        4 91A0588318EC2673214271F70137896E E6E4679647D8A9057C1FC15537CB4C4E
          B3BD44C08BB6BA27C3BB4711D7D70387
        5 35A43BC9EFEB09C756204B57E3FB7D4D 0588185FE1FF8C7E22FAD78C1C61F065
          CA02DF6F30B39E14BD0B4A30E460920F
        7 6ECF912F3B18CA11A7A27BB60705FD09 BAA08CA263C69525BC6B1BA8F4275D69
          0FA8F1F0A2DD7B1005A862D77CDED698
        8 4D9DF3FBEE3448FC3E676D04320A90F5 6FD572E5D59E618875F193484F9178FB
          650F34204ABD4E57764D61AC3D266FB1
        1FFFE DDF7E08A84B5478C498D007C743BF762 6D7623AD652734B8FAE1B6E093EACE3D
          8E4E5D5E0F01C54F01F4ACA1C8F8EDCE
        20000 AB828BE7B58C7EC5D5ED0D5D320A0C9D 0B59D3D7D93028D97135FB895CACE24E
          13361208975755318FE7AE28C9616014
        20001 8AC85C93EED246054ADC3104479115A6 EF7C9461E2AFED2A8012CC6301CFEEBE
          B93B4BF0D52163B3CF9312F8E55629A3
        845FED D1DDA386AA4A556AF0119FDCB5D132C6 89365C7970950CAC0A6261FFC7DB26C6
          B1E4D9006A87DD08D87F11A124D35517
        FFFF0000 27EFAC1D158632588F4AC69E45C247C4 AE558BABC206D303FDF68B1181F228C6
          08878BFCC45CA5AEF6A1AB40BAC882B5";

    const FROM_256: &str = "
        1 8C1AB7BEE973829E30242E0BBBDD4946D540C98FC1B5BDCF94790001A23FD502
          61DABDF4B340CF461EE860B1D1AB55357142BD2D6977306859CF49AEFE8F1549
          71EB36C9A6B7F801D1D1700C29741FC5A5C4E9B45D742DA7AF6992B8AA29AF58";

    const FROM_256_TO_128: &str = "
        1 09C9C432966811D6B2C3336BAC1B1202
          F04A1FABD4176E15490CEC82E217A96D
          616D59AE91F8CC7016F89FDA29605FA4";

    const FROM_128_TO_TDES: &str = "
        1 630C706D9546E47D4449313F61C4D4AB
          5D8FD787E8A796D07035FFCA9B5800BB
          BD44121C223F831446A01EE3A4CB58D2";

    const FROM_192: &str = "
        1 C5043EDC7F2C001097974D40FF82A050B64A1AB27879F3DB
          7FB32FB0F68F0E4A2594765F9EB1C472727EE305A5EE35E1
          C1D4541AE0E33949DD03F2A10B5E5486BBCAC1C520320E0C
        3 64AE12F5E0FB2001B22520CED9C5CF1A8AA45AAA3F264882
          29A29A9C943EAA03D2F5CAD146BA765094C2CF0343C53D1A
          A5DDCE36A4ECC8781C466C2270BA499EC4654AA166392EFC";

    const FROM_192_TO_128: &str = "
        1 3C318CDBF08322279557201E98DBB3F3 3E7009C74E8166BC9059D3D92D36B487
          04C5C3926A8B9B2B833F33D4C6E581EE
        3 6DE9A0A37D6927280B7E223C4BE7580F D2D13AF44E71EB6E8539FFDA3C37A5D6
          FDCB88BEA1EFE48EAEE83A48513FF515";
}
