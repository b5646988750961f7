#include "serverprep/kernel/libbpf_words.hpp"

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <bpf/libbpf.h>
#include <fmt/format.h>

namespace dsr::serverprep {
namespace {

// The first is kept: what follows says which larger thing failed for it, or is pages of the verifier's log.
thread_local std::string first_warning;

int keep(libbpf_print_level level, const char* format, va_list arguments) {
    if (level != LIBBPF_WARN || !first_warning.empty()) return 0;
    std::array<char, 512> text{};
    (void)std::vsnprintf(text.data(), text.size(), format, arguments);
    std::string_view line(text.data());
    line = line.substr(0, line.find('\n'));
    if (line.starts_with("libbpf: ")) line.remove_prefix(8);
    if (line.find("Retrying") == std::string_view::npos) first_warning = line;
    return 0;
}

}  // namespace

LibbpfWords::LibbpfWords() {
    first_warning.clear();
    libbpf_set_print(keep);
}

std::string LibbpfWords::why(int error) const {
    error = std::abs(error);
    if (error == EPERM)
        return "needs CAP_BPF and CAP_NET_ADMIN, and CAP_SYS_ADMIN for filters that are there (root has them)";
    const char* words = ::strerrordesc_np(error);
    const std::string plain = words != nullptr ? words : fmt::format("error {}", error);
    return first_warning.empty() ? plain : fmt::format("{} ({})", plain, first_warning);
}

}  // namespace dsr::serverprep
