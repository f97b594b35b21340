//! Binary values: KV keeps text, so a file is kept there as base64 text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::material::Material;

/// The bytes that base64 text stands for; `None` if it is none. White space is skipped, as tools break their lines; everything else
/// is strict: the standard alphabet, padded, no stray bits. A text that was cut off is more often noticed so. Why it is none is not
/// told: that would quote it.
pub(super) fn decode(text: &Material) -> Option<Material> {
    let mut packed = Zeroizing::new(Vec::with_capacity(text.len()));
    packed.extend(text.expose().iter().filter(|byte| !byte.is_ascii_whitespace()));
    // Room for all of it: a buffer that grows leaves its old bytes behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(base64::decoded_len_estimate(packed.len())));
    STANDARD.decode_vec(&*packed, &mut bytes).ok()?;
    Some(Material::new(std::mem::take(&mut *bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_print_is_the_bytes_they_read() {
        for (text, bytes) in [
            (&b""[..], &b""[..]),
            (b"AP9o+/8=", b"\x00\xffh\xfb\xff"),
            (b"AP9o+/8=\n", b"\x00\xffh\xfb\xff"),
            (b" AP9o\r\n\t+/8 =\n\n", b"\x00\xffh\xfb\xff"),
            (b"/w==", b"\xff"),
        ] {
            let decoded = decode(&Material::new(text.to_vec())).unwrap();
            assert_eq!(decoded.expose(), bytes, "{text:?}");
        }
        let long: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let text = STANDARD.encode(&long);
        let lines: Vec<&[u8]> = text.as_bytes().chunks(76).collect();
        assert_eq!(decode(&Material::new(lines.join(&b'\n'))).unwrap().expose(), long);
    }

    #[test]
    fn what_is_no_base64_or_only_looks_like_it_is_refused() {
        for text in
            ["plain text!", "AP9o-_8=", "AP9o+/8", "AP9o+/9=", "AP9o+/8=AP9o", "=", "A", "AP9o\u{a0}+/8=", "\u{feff}AP9o+/8="]
        {
            assert!(decode(&Material::new(text.as_bytes().to_vec())).is_none(), "{text:?}");
        }
    }
}
