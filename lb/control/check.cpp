#include "lb/control/check.hpp"

#include "lb/control/console.hpp"
#include "lb/state/build_table.hpp"

namespace dsr::lb {

int check(const std::string& config_path) {
    const auto config = read_config(config_path);
    if (!config) return 2;
    if (const auto reason = unsupported(*config)) say("warning: " + *reason);
    return 0;
}

}  // namespace dsr::lb
