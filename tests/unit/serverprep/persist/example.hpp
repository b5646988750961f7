// What a Layer 2 pool server wants kept, and a directory that stands for its root.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "serverprep/persist/persistence.hpp"

namespace dsr::serverprep::persist {

inline Persistence example() {
    return {.settings = {{{SettingName::arp_ignore, "all"}, 1},
                         {{SettingName::rp_filter, "eth0.5"}, 2},
                         {{SettingName::link_up, "tunl0"}, 1},
                         {{SettingName::ip_forward, ""}, 0}},
            .executable = "/usr/sbin/serverprep",
            .interfaces = {"eth0.5"}};
}

class TestRoot {
public:
    TestRoot() {
        std::string pattern = (std::filesystem::temp_directory_path() / "persist-test-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TestRoot() { std::filesystem::remove_all(path_); }
    TestRoot(const TestRoot&) = delete;
    TestRoot& operator=(const TestRoot&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string operator/(const std::string& absolute) const { return path_ + absolute; }

    void write(const std::string& absolute, const std::string& text) const {
        const std::filesystem::path file = path_ + absolute;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }
    [[nodiscard]] std::string read(const std::string& absolute) const {
        std::ifstream in(path_ + absolute);
        return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    }
    [[nodiscard]] bool has(const std::string& absolute) const {
        return std::filesystem::exists(std::filesystem::symlink_status(path_ + absolute));
    }

private:
    std::string path_;
};

}  // namespace dsr::serverprep::persist
