// One change of one kernel object, with all that is needed to take it back.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/netlink/address.hpp"
#include "serverprep/kernel/kernel.hpp"
#include "serverprep/setting.hpp"

namespace dsr::serverprep {

struct SettingChange {
    Setting setting;
    std::uint32_t before = 0;
    std::uint32_t after = 0;
    // What the kernel changes along with it (ip_forward only), as it was before.
    std::map<Setting, std::uint32_t> collateral;
};

struct AddressChange {
    netlink::Address address;
    bool add = true;  // false: delete
};

enum class StepStatus : std::uint8_t {
    planned,
    done,
    failed,
    rolled_back,
    stuck,  // done, and could not be taken back
    kept,   // left as it is, because somebody else changed it since
};

struct Step {
    std::variant<SettingChange, AddressChange> change;
    StepStatus status = StepStatus::planned;
};

std::string_view to_string(StepStatus status);
std::string object(const Step& step);
std::string before_text(const Step& step);
std::string after_text(const Step& step);
std::string command(const Step& step);

// Does the change, or takes it back, collateral included.
Result<void> perform(Kernel& kernel, const Step& step);
Result<void> revert(Kernel& kernel, const Step& step);

}  // namespace dsr::serverprep
