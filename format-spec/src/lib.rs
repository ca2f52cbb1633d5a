//! edgepkg
