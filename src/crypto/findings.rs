//! How diagnoses name what they find: an enumeration whose names never change.

macro_rules! findings {
    (
        #[doc = $whole:literal]
        $enum:ident;
        $($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*
    ) => {
        #[doc = $whole]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $enum {
            $($(#[doc = $doc])* $variant,)*
        }

        impl $enum {
            /// Every finding there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name by which tools and people know it; it never changes.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

pub(super) use findings;
