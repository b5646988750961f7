#include "common/config/reader.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "common/config/check.hpp"
#include "common/config/section.hpp"
#include "common/config/sections.hpp"
#include "common/sys/error.hpp"
#include "common/sys/unique_fd.hpp"

namespace dsr::config {
namespace {

constexpr std::size_t kMaxFileSize = std::size_t{16} << 20U;
constexpr std::string_view kTooLarge = "is larger than 16 MiB";

void read_sections(Draft& draft, const Node& root) {
    Section section(draft, root, "", {"load_balancer", "network_profiles", "pools", "virtual_services"}, {});
    // Services last, wherever they are written: they refer to profiles and pools by name.
    static constexpr std::pair<std::string_view, void (*)(Draft&, const Node&)> kReaders[] = {
        {"load_balancer", read_load_balancer},
        {"network_profiles", read_network_profiles},
        {"pools", read_pools},
        {"virtual_services", read_virtual_services},
    };
    for (const auto& [key, read] : kReaders)
        if (const Node* node = section.find(key)) read(draft, *node);
}

Result<std::string> read_bytes(const std::string& path) {
    const sys::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return fail(std::strerror(errno));
    std::string text;
    char buffer[65536];
    for (;;) {
        const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail(std::strerror(errno));
        if (count == 0) return text;
        text.append(buffer, static_cast<std::size_t>(count));
        // One byte too many is enough to know; /dev/zero must not fill the memory.
        if (text.size() > kMaxFileSize) return text;
    }
}

}  // namespace

ReadResult read_text(std::string_view yaml, std::string_view file) {
    Draft draft{Report(file), {}, {}, {}, {}};
    if (yaml.size() > kMaxFileSize) {
        draft.report.add(kTooLarge);
        return std::unexpected(std::move(draft.report).sorted());
    }
    if (const auto root = read_tree(yaml, draft.report)) {
        read_sections(draft, *root);
        check(draft);
    }
    if (!draft.report.empty()) return std::unexpected(std::move(draft.report).sorted());
    return std::move(draft.config);
}

ReadResult read_file(const std::string& path) {
    const auto text = read_bytes(path);
    if (text) return read_text(*text, path);
    return std::unexpected(std::vector<Problem>{{path, 0, 0, "cannot be read: " + text.error().message}});
}

}  // namespace dsr::config
