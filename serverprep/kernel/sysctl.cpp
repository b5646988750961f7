#include "serverprep/kernel/sysctl.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>

#include "common/sys/unique_fd.hpp"

namespace dsr::serverprep {
namespace {

std::string path(const Setting& setting) {
    if (setting.name == SettingName::ip_forward) return "/proc/sys/net/ipv4/ip_forward";
    return fmt::format("/proc/sys/net/ipv4/conf/{}/{}", setting.where, to_string(setting.name));
}

}  // namespace

Result<std::uint32_t> read_sysctl(const Setting& setting) {
    const std::string file = path(setting);
    const sys::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return fail(fmt::format("cannot read {}: {}", file, std::strerror(errno)));
    std::array<char, 32> text{};
    const ssize_t size = ::read(fd.get(), text.data(), text.size());
    if (size < 0) return fail(fmt::format("cannot read {}: {}", file, std::strerror(errno)));
    std::uint32_t value = 0;
    const char* end = text.data() + size;
    if (std::from_chars(text.data(), end, value).ec != std::errc{})
        return fail(fmt::format("cannot read {}: it holds no number", file));
    return value;
}

Result<void> write_sysctl(const Setting& setting, std::uint32_t value) {
    const std::string file = path(setting);
    const sys::UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.valid()) return fail(fmt::format("cannot write {}: {}", file, std::strerror(errno)));
    const std::string text = fmt::to_string(value);
    // The kernel takes a number in one write or not at all.
    if (::write(fd.get(), text.data(), text.size()) < 0)
        return fail(fmt::format("cannot write {}: {}", file, std::strerror(errno)));
    return {};
}

}  // namespace dsr::serverprep
