//! How a value is written in Vault, where that is not how a file is to have it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What is undone before a value becomes a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Nothing: its bytes are the file's.
    #[default]
    Utf8,
    /// As RFC 4648 has it, with padding; line breaks mean nothing.
    Base64,
    /// Two digits a byte.
    Hex,
}

impl Encoding {
    /// As classes name it, in any case.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "" | "utf-8" => Ok(Self::Utf8),
            "base64" => Ok(Self::Base64),
            "hex" => Ok(Self::Hex),
            _ => Err(format!("{text:?} is none of utf-8, base64, hex")),
        }
    }

    /// The file's bytes. An error says what they are not, and nothing of them.
    pub(super) fn decode(self, value: Vec<u8>) -> Result<Vec<u8>, &'static str> {
        match self {
            Self::Utf8 => Ok(value),
            Self::Base64 => {
                let line: Vec<u8> = value.into_iter().filter(|byte| !b"\r\n".contains(byte)).collect();
                STANDARD.decode(line).map_err(|_| "is not base64")
            }
            Self::Hex => hex::decode(value).map_err(|_| "is not hex"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_decoded_before_it_is_written() {
        for (encoding, value, file) in [
            ("", &b"plain\n"[..], &b"plain\n"[..]),
            ("utf-8", b"\xff\x00", b"\xff\x00"),
            ("BASE64", b"aGVs\r\nbG8=\n", b"hello"),
            ("base64", b"", b""),
            ("Hex", b"00fF", b"\x00\xff"),
        ] {
            assert_eq!(Encoding::parse(encoding).unwrap().decode(value.to_vec()).unwrap(), file, "{encoding}");
        }
        for (encoding, value) in
            [(Encoding::Base64, "canary!"), (Encoding::Base64, "aGVsbG8"), (Encoding::Hex, "canary"), (Encoding::Hex, "0")]
        {
            let error = encoding.decode(value.into()).expect_err(value);
            assert!(!error.contains("canary"), "{error}");
        }
        assert!(Encoding::parse("base32").unwrap_err().contains("utf-8, base64, hex"));
    }
}
