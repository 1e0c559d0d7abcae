//! Text that can't break out of where it is put.

/// As the text of an element or the value of a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// JSON as the content of a script element: still the same JSON, and without a `<` nothing in it can end the element.
pub(super) fn json(text: &str) -> String {
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out() {
        assert_eq!(escape("</b> & \"it's\""), "&lt;/b&gt; &amp; &quot;it&#39;s&quot;");
        let name = "</script><!-- &";
        let safe = json(&serde_json::to_string(name).unwrap());
        assert!(!safe.contains(['<', '>', '&']));
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), name);
    }
}
