// Internal to the filters: the maps of a program that is in the kernel already, and what they hold.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/unique_fd.hpp"
#include "common/wire/address.hpp"
#include "serverprep/bpf/filter_abi.h"

namespace dsr::serverprep {

class BpfProgramMaps {
public:
    // Nothing when the program is gone.
    static Result<std::optional<BpfProgramMaps>> open(std::uint32_t program_id);

    // Nothing when they are of another version: then do not ask for the rest.
    [[nodiscard]] Result<std::optional<dsr_filter_settings>> settings() const;
    // `name` is that in the program's source; a map that the program does not have is empty.
    [[nodiscard]] Result<std::set<wire::Ipv4Address>> addresses(const std::string& name) const;
    [[nodiscard]] Result<std::set<wire::Ipv4Prefix>> prefixes(const std::string& name) const;
    [[nodiscard]] Result<std::vector<std::uint64_t>> counters() const;  // summed over processors
    [[nodiscard]] int counters_descriptor() const;

private:
    struct Map {
        sys::UniqueFd fd;
        std::uint32_t value_size = 0;
        std::uint32_t max_entries = 0;
    };
    [[nodiscard]] const Map* find(const std::string& name) const;
    std::map<std::string, Map> maps_;
};

}  // namespace dsr::serverprep
