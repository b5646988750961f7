// One change of one kernel object, with all that is needed to take it back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/sys/error.hpp"
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
    std::string link;
    netlink::Address address;
    bool add = true;  // false: delete
};

struct TunnelChange {
    netlink::Tunnel tunnel;  // down, before and after
    bool add = true;
};

struct ClsactChange {
    std::string link;
    bool add = true;
};

struct FilterChange {
    std::optional<Filter> before;  // one of the two is there, and both are of the same role and link
    std::optional<Filter> after;

    [[nodiscard]] const Filter& any() const { return after ? *after : *before; }
};

using Change = std::variant<SettingChange, AddressChange, TunnelChange, ClsactChange, FilterChange>;

enum class StepStatus : std::uint8_t {
    planned,
    done,
    failed,
    rolled_back,
    stuck,  // done, and could not be taken back
    kept,   // left as it is, because somebody else changed it since
};

struct Step {
    Change change;
    StepStatus status = StepStatus::planned;
    bool undoes = false;  // takes back what an earlier run did: nothing to be remembered
    std::string mends{};  // id of the finding that it mends; empty: of none
};

std::string_view to_string(StepStatus status);
bool is_planned(const Step& step);
std::string object(const Step& step);
std::string before_text(const Step& step);
std::string after_text(const Step& step);
// For a shell; a comment where no command does it.
std::string command(const Step& step);

// What it does makes packets arrive: it gives this host a VIP, or lets packets out of a tunnel.
bool exposes(const Step& step);
// Whether `step`, which exposes, is safe only when `earlier` has been done: who owns a VIP must be quiet about it, and
// what comes out of a tunnel must be for somebody.
bool depends(const Step& step, const Step& earlier);

// Does the change, or takes it back, collateral included.
Result<void> perform(Kernel& kernel, const Step& step);
Result<void> revert(Kernel& kernel, const Step& step);

// Whether the kernel is as the step leaves it.
Result<bool> holds(Kernel& kernel, const Step& step);

}  // namespace dsr::serverprep
