//! What the CPU says of itself.

/// The answer of the instruction `CPUID` to a leaf and a part of it: the registers `EAX`, `EBX`, `ECX` and `EDX`.
///
/// Only x86-64 CPUs have it; of others nothing is known.
pub fn cpuid() -> Option<fn(u32, u32) -> [u32; 4]> {
    #[cfg(target_arch = "x86_64")]
    {
        Some(|leaf, subleaf| {
            #[allow(unsafe_code, unused_unsafe, reason = "newer Rust takes the instruction for safe")]
            // SAFETY: every x86-64 CPU has the instruction, and it changes nothing but the registers it answers in.
            let answer = unsafe { std::arch::x86_64::__cpuid_count(leaf, subleaf) };
            [answer.eax, answer.ebx, answer.ecx, answer.edx]
        })
    }
    #[cfg(not(target_arch = "x86_64"))]
    None
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_cpu_names_its_maker() {
        if let Some(cpuid) = super::cpuid() {
            let [last, maker, ..] = cpuid(0, 0);
            assert!(last >= 1 && maker != 0);
        }
    }
}
