//! Pages of lists: `Marker`, `MaxItems`, `IsTruncated`.
//!
//! A marker holds the name of the last item that was answered, so that it stays good however the list changes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_wire::Failure;

const ITEMS_DEFAULT: usize = 100;

/// Which part of a list is asked for.
#[derive(Clone)]
pub struct Paging {
    after: Option<String>,
    limit: usize,
}

/// A part of a list, and where the next begins.
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether there are more.
    pub truncated: Option<bool>,
    /// Where to go on.
    pub marker: Option<String>,
}

impl Paging {
    /// Reads `Marker` and `MaxItems`.
    ///
    /// # Errors
    /// When the marker is none that was given out.
    pub fn of(marker: Option<String>, items_max: Option<i64>) -> Result<Self, Failure> {
        let invalid = || Failure::sender("ValidationError", 400, "Invalid Marker.");
        let after = match marker {
            None => None,
            Some(marker) => {
                let bytes = URL_SAFE_NO_PAD.decode(marker).map_err(|_| invalid())?;
                Some(String::from_utf8(bytes).map_err(|_| invalid())?)
            }
        };
        let limit = items_max
            .and_then(|max| usize::try_from(max).ok())
            .map_or(ITEMS_DEFAULT, |max| max.clamp(1, 1_000));
        Ok(Self { after, limit })
    }

    /// The part of these items, each with its name; they are put in the order of their names.
    pub fn cut<T>(self, items: impl Iterator<Item = (String, T)>) -> Page<T> {
        let after = self.after;
        let mut rest: Vec<(String, T)> =
            items.filter(|(name, _)| after.as_ref().is_none_or(|after| name > after)).collect();
        rest.sort_by(|(one, _), (other, _)| one.cmp(other));
        let truncated = rest.len() > self.limit;
        rest.truncate(self.limit);
        let last = rest.last().filter(|_| truncated).map(|(name, _)| URL_SAFE_NO_PAD.encode(name));
        Page {
            items: rest.into_iter().map(|(_, item)| item).collect(),
            truncated: Some(truncated),
            marker: last,
        }
    }
}

/// Items that stay in the order they have, for lists too short to change much between two pages. The names of others
/// must fit into a marker, which AWS's model bounds to 320 characters.
pub fn in_order<T>(items: Vec<T>) -> impl Iterator<Item = (String, T)> {
    items.into_iter().enumerate().map(|(place, item)| (format!("{place:05}"), item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_the_list_once_in_order() {
        let items = || ["c", "a", "d", "b", "e"].into_iter().map(|name| (name.to_owned(), name));
        let (mut seen, mut marker) = (Vec::new(), None);
        loop {
            let page = Paging::of(marker, Some(2)).unwrap().cut(items());
            seen.extend(page.items);
            assert_eq!(page.truncated, Some(page.marker.is_some()));
            marker = page.marker;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
        assert!(Paging::of(Some("!".into()), None).is_err());
    }
}
