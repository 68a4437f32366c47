//! Words upon which programs may rely: each is spelled once, for documents, messages and the schema of documents.

/// Declares an enum of such words, with the spelling of each.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* pub enum $enum:ident { $($(#[$doc:meta])* $name:ident = $word:tt,)* }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        $(#[$meta])*
        pub enum $enum {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl $enum {
            /// All of them.
            pub const ALL: &[$enum] = &[$($enum::$name,)*];

            /// Returns the word as documents and messages spell it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($enum::$name => $word,)*
                }
            }
        }
    };
}
