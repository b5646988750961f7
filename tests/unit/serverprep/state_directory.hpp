// A directory for the state of one test, gone with it.
#pragma once

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <stdlib.h>

namespace dsr::serverprep {

class StateDirectory {
public:
    StateDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "serverprep-test-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    StateDirectory(const StateDirectory&) = delete;
    StateDirectory& operator=(const StateDirectory&) = delete;
    ~StateDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] bool remembers() const {
        return std::ranges::any_of(std::filesystem::directory_iterator(path_),
                                   [](const auto& entry) { return entry.path().extension() == ".json"; });
    }

private:
    std::string path_;
};

}  // namespace dsr::serverprep
