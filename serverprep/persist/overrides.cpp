#include "serverprep/persist/overrides.hpp"

#include <algorithm>
#include <map>
#include <regex>

#include <fmt/format.h>
#include <fnmatch.h>

#include "serverprep/persist/lines.hpp"
#include "serverprep/persist/sysctl_file.hpp"

namespace dsr::serverprep::persist {
namespace {

// sysctl.d(5): when the first separator is a dot, dots and slashes change places. Writing conf/all/forwarding is
// writing ip_forward.
std::string canonical(std::string_view key) {
    std::string path(key);
    const std::size_t first = path.find_first_of("./");
    if (first != std::string::npos && path[first] == '.')
        for (char& c : path)
            if (c == '.' || c == '/') c = c == '.' ? '/' : '.';
    return path == "net/ipv4/conf/all/forwarding" ? "net/ipv4/ip_forward" : path;
}

struct Assignment {
    std::optional<std::string> value;
    std::string path;
    int line = 0;
};

std::optional<std::pair<std::string, std::optional<std::string>>> parse_sysctl_line(std::string_view line) {
    const bool dashed = line.front() == '-';
    if (dashed) line.remove_prefix(1);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
        if (!dashed) return std::nullopt;
        return std::pair{canonical(trimmed(line)), std::optional<std::string>{}};
    }
    return std::pair{canonical(trimmed(line.substr(0, equals))),
                     std::optional(std::string(trimmed(line.substr(equals + 1))))};
}

std::optional<Override> differing(const SettingValue& ours, std::optional<std::string> value, const std::string& path,
                                  int line) {
    if (value == fmt::to_string(ours.second)) return std::nullopt;
    return Override{ours.first, ours.second, std::move(value), path, line};
}

void add(std::vector<Override>& all, std::optional<Override> one) {
    if (one) all.push_back(std::move(*one));
}

bool is_true(std::string_view word) {
    return word == "yes" || word == "true" || word == "on" || word == "1" || word == "y" || word == "t";
}

bool is_false(std::string_view word) {
    return word == "no" || word == "false" || word == "off" || word == "0" || word == "n" || word == "f";
}

struct NetworkFile {
    std::string names;  // of [Match] Name=
    std::vector<std::pair<SettingName, Assignment>> writes;
};

std::optional<std::string> filter_value(std::string_view word) {
    if (word == "loose") return "2";
    if (word == "strict" || is_true(word)) return "1";
    if (is_false(word)) return "0";
    return std::nullopt;
}

void read_network_line(NetworkFile& file, std::string_view key, std::string_view value, const std::string& path,
                       int line) {
    if (key == "IPv4ReversePathFilter") {
        if (auto number = filter_value(value)) file.writes.push_back({SettingName::rp_filter, {number, path, line}});
    } else if (key == "IPForward") {
        // 'no' leaves the setting as it is.
        if (value == "ipv4" || is_true(value)) file.writes.push_back({SettingName::ip_forward, {"1", path, line}});
    } else if (key == "IPv4Forwarding") {
        if (is_true(value) || is_false(value))
            file.writes.push_back({SettingName::forwarding, {is_true(value) ? "1" : "0", path, line}});
    }
}

NetworkFile parse_network(const TextFile& text) {
    NetworkFile file;
    std::string section;
    for_each_line(text.text, [&](std::string_view line, int number) {
        if (line.front() == '[') {
            section = line;
            return;
        }
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos) return;
        const std::string_view key = trimmed(line.substr(0, equals));
        const std::string_view value = trimmed(line.substr(equals + 1));
        if (section == "[Match]" && key == "Name") file.names += fmt::format(" {}", value);
        if (section == "[Network]") read_network_line(file, key, value, text.path, number);
    });
    return file;
}

bool matches(const std::string& names, const std::string& link) {
    std::string_view rest = trimmed(names);
    const bool inverted = rest.starts_with('!');
    if (inverted) rest.remove_prefix(1);
    bool found = false;
    while (!rest.empty()) {
        const std::size_t end = rest.find_first_of(" \t");
        found = found || ::fnmatch(std::string(rest.substr(0, end)).c_str(), link.c_str(), 0) == 0;
        rest = end == std::string_view::npos ? std::string_view{} : trimmed(rest.substr(end));
    }
    return found != inverted;
}

// Without Name= a file may match by address, driver or type, which are not known here.
const NetworkFile* file_of(const std::vector<NetworkFile>& files, const std::string& link) {
    for (const NetworkFile& file : files)
        if (!file.names.empty() && matches(file.names, link)) return &file;
    return nullptr;
}

}  // namespace

std::vector<Override> sysctl_overrides(const std::vector<SettingValue>& ours, const std::vector<TextFile>& later) {
    std::map<std::string, Assignment> last;
    for (const TextFile& file : later)
        for_each_line(file.text, [&](std::string_view line, int number) {
            if (auto found = parse_sysctl_line(line)) last[found->first] = {found->second, file.path, number};
        });
    std::vector<Override> all;
    for (const SettingValue& each : ours)
        if (const auto found = last.find(canonical(sysctl_key(each.first))); found != last.end())
            add(all, differing(each, found->second.value, found->second.path, found->second.line));
    return all;
}

std::vector<Override> networkd_overrides(const std::vector<SettingValue>& ours, const std::vector<TextFile>& files) {
    std::vector<NetworkFile> parsed;
    std::ranges::transform(files, std::back_inserter(parsed), parse_network);
    std::vector<Override> all;
    for (const SettingValue& each : ours) {
        if (each.first.name == SettingName::ip_forward) {
            for (const NetworkFile& file : parsed)
                for (const auto& [name, write] : file.writes)
                    if (name == SettingName::ip_forward) add(all, differing(each, write.value, write.path, write.line));
        } else if (const NetworkFile* file = each.first.of_link() ? file_of(parsed, each.first.where) : nullptr) {
            for (const auto& [name, write] : file->writes)
                if (name == each.first.name) add(all, differing(each, write.value, write.path, write.line));
        }
    }
    return all;
}

std::vector<Override> ifupdown_overrides(const std::vector<SettingValue>& ours, const std::vector<TextFile>& files) {
    // 'sysctl -w net.ipv4.conf.all.arp_ignore=0' or 'echo 0 > /proc/sys/net/ipv4/conf/all/arp_ignore'.
    static const std::regex sysctl(R"(sysctl\s.*?(net[./]ipv4[./][^\s="']+)\s*=\s*["']?(\d+))");
    static const std::regex echo(R"(echo\s+["']?(\d+)["']?\s*>+\s*/proc/sys/(net/ipv4/\S+))");
    std::vector<Override> all;
    for (const TextFile& file : files)
        for_each_line(file.text, [&](std::string_view view, int number) {
            const std::string line(view);
            std::smatch found;
            std::string key;
            std::string value;
            if (std::regex_search(line, found, sysctl))
                key = found[1], value = found[2];
            else if (std::regex_search(line, found, echo))
                key = found[2], value = found[1];
            else
                return;
            for (const SettingValue& each : ours)
                if (canonical(key) == canonical(sysctl_key(each.first)))
                    add(all, differing(each, value, file.path, number));
        });
    return all;
}

}  // namespace dsr::serverprep::persist
