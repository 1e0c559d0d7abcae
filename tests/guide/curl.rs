//! What a line of curl asks for, as far as the guide uses it: an option that isn't known here fails its test.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;

/// The request of what follows `curl`, to a server at `url` in place of the one that is shown.
pub fn request(line: &str, url: &str) -> Request<Full<Bytes>> {
    let (mut method, mut headers, mut body, mut path) = (None, Vec::new(), None, None);
    let mut words = words(line).into_iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} has no value in {line}"));
        match word.as_str() {
            "-d" | "--data-binary" => body = Some(value()),
            "-X" => method = Some(value()),
            "-H" => headers.push(value()),
            _ if word.starts_with("localhost:8080/") => {
                path = word.split_once('/').map(|(_, path)| path.to_owned())
            }
            _ => panic!("the tests don't know {word:?} in curl {line}"),
        }
    }
    let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
    let path = path.unwrap_or_else(|| panic!("no URL in curl {line}"));
    // What curl adds to a body by itself.
    if body.is_some()
        && !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("content-type:"))
    {
        headers.push("Content-Type: application/x-www-form-urlencoded".to_owned());
    }
    let mut request = Request::builder().method(method.as_str()).uri(format!("{url}/{path}"));
    for header in &headers {
        let (name, value) = header.split_once(": ").unwrap_or_else(|| panic!("{header:?} is no header"));
        request = request.header(name, value);
    }
    request.body(Full::new(body.unwrap_or_default().into())).unwrap()
}

/// The words of a line, as a shell has them: apart by spaces, together between single quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for character in line.chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    assert!(!quoted, "a quote isn't closed in {line}");
    words.retain(|word| !word.is_empty());
    words
}
