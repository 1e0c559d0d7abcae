//! Tables.

use super::text::escape;
use std::fmt::Write;

/// A table with a caption. The first `names` columns are names, all others figures.
pub(super) fn html(caption: &str, heading: &[&str], names: usize, rows: &[Vec<String>]) -> String {
    let class = |index| if index < names { "" } else { " class=\"figure\"" };
    let mut html = format!(
        "<div class=\"scroll\" tabindex=\"0\"><table><caption>{}</caption><thead><tr>",
        escape(caption)
    );
    for (index, cell) in heading.iter().enumerate() {
        let _ = write!(html, "<th scope=\"col\"{}>{}</th>", class(index), escape(cell));
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        html.push_str("<tr>");
        for (index, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            let _ = match index {
                0 => write!(html, "<th scope=\"row\">{cell}</th>"),
                _ => write!(html, "<td{}>{cell}</td>", class(index)),
            };
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>\n");
    html
}
