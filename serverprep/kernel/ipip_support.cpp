#include "serverprep/kernel/ipip_support.hpp"

#include <string>

#include <sys/utsname.h>

#include "serverprep/small_file.hpp"

namespace dsr::serverprep {
namespace {

bool line_names(std::string_view line, std::string_view module) {
    const std::string_view path = line.substr(0, line.find(':'));
    const std::string_view file = path.substr(path.rfind('/') + 1);  // from 0 when there is none
    return file.substr(0, file.find(".ko")) == module && file.find(".ko") != std::string_view::npos;
}

}  // namespace

bool names_module(std::string_view file, std::string_view module) {
    while (!file.empty()) {
        const std::size_t end = file.find('\n');
        if (line_names(file.substr(0, end), module)) return true;
        if (end == std::string_view::npos) break;
        file.remove_prefix(end + 1);
    }
    return false;
}

bool kernel_has_ipip(const std::filesystem::path& root, std::string_view release) {
    std::error_code ignored;
    if (std::filesystem::exists(root / "sys/module/ipip", ignored)) return true;
    const std::filesystem::path modules = root / "lib/modules" / release;
    if (names_module(read_text(modules / "modules.builtin"), "ipip")) return true;
    // Some hosts forbid loading modules once they are up; that cannot be taken back before the next boot.
    if (read_text(root / "proc/sys/kernel/modules_disabled").starts_with('1')) return false;
    return names_module(read_text(modules / "modules.dep"), "ipip");
}

bool kernel_has_ipip() {
    utsname running{};
    return ::uname(&running) == 0 && kernel_has_ipip("/", running.release);
}

}  // namespace dsr::serverprep
