//! `<cpu>`: the guest's processor model.
