//! Something for each of a few: each lane, each kind of stream.

/// Makes a type that has one value for each variant of an enum: `$each::ALL` has them in the order of the enum.
macro_rules! one_for_each {
    ($(#[$doc:meta])* $name:ident, $each:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name<T>([T; <$each>::ALL.len()]);

        impl<T> $name<T> {
            /// Made one by one.
            pub fn from_fn(value: impl FnMut($each) -> T) -> Self {
                Self(<$each>::ALL.map(value))
            }

            /// Every one with its value.
            pub fn iter(&self) -> impl Iterator<Item = ($each, &T)> {
                <$each>::ALL.into_iter().zip(&self.0)
            }
        }

        impl<T> std::ops::Index<$each> for $name<T> {
            type Output = T;

            fn index(&self, of: $each) -> &T {
                &self.0[of as usize]
            }
        }

        impl<T> std::ops::IndexMut<$each> for $name<T> {
            fn index_mut(&mut self, of: $each) -> &mut T {
                &mut self.0[of as usize]
            }
        }
    };
}

pub(super) use one_for_each;
