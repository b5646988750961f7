// The programs of this directory, compiled for the kernel: the bytes of an ELF object each. Knows nothing of loading.
#pragma once

#include <span>

namespace dsr::serverprep {

std::span<const unsigned char> bpf_decapsulate();
std::span<const unsigned char> bpf_guard();
std::span<const unsigned char> bpf_clamp_mss();

}  // namespace dsr::serverprep
