#include "serverprep/step.hpp"

#include <fmt/format.h>

#include "serverprep/observed.hpp"

namespace dsr::serverprep {
namespace {

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

std::string describe(const netlink::Address& address) {
    return fmt::format("{} dev {} label {}", wire::to_string(address.prefix), kLoopback, address.label);
}

std::string_view scope_name(std::uint8_t scope) {
    return scope == netlink::kScopeHost ? "host" : "global";
}

Result<void> write_address(Kernel& kernel, const AddressChange& change, bool add) {
    return add ? kernel.add(change.address) : kernel.remove(change.address);
}

}  // namespace

std::string_view to_string(StepStatus status) {
    switch (status) {
        case StepStatus::planned:
            return "planned";
        case StepStatus::done:
            return "done";
        case StepStatus::failed:
            return "failed";
        case StepStatus::rolled_back:
            return "rolled-back";
        case StepStatus::stuck:
            return "stuck";
        case StepStatus::kept:
            return "kept";
    }
    return "unknown";
}

std::string object(const Step& step) {
    return std::visit(
        Overloaded{[](const SettingChange& change) { return to_string(change.setting); },
                   [](const AddressChange& change) { return fmt::format("address {}", describe(change.address)); }},
        step.change);
}

std::string before_text(const Step& step) {
    return std::visit(
        Overloaded{[](const SettingChange& change) { return value_text(change.setting, change.before); },
                   [](const AddressChange& change) { return std::string(change.add ? "absent" : "present"); }},
        step.change);
}

std::string after_text(const Step& step) {
    if (step.status == StepStatus::kept) return before_text(step);
    return std::visit(
        Overloaded{[](const SettingChange& change) { return value_text(change.setting, change.after); },
                   [](const AddressChange& change) { return std::string(change.add ? "present" : "absent"); }},
        step.change);
}

std::string command(const Step& step) {
    return std::visit(Overloaded{[](const SettingChange& change) { return command(change.setting, change.after); },
                                 [](const AddressChange& change) {
                                     if (!change.add)
                                         return fmt::format("ip address delete {} dev {}",
                                                            wire::to_string(change.address.prefix), kLoopback);
                                     return fmt::format("ip address add {} scope {}", describe(change.address),
                                                        scope_name(change.address.scope));
                                 }},
                      step.change);
}

Result<void> perform(Kernel& kernel, const Step& step) {
    return std::visit(
        Overloaded{[&](const SettingChange& change) { return kernel.write(change.setting, change.after); },
                   [&](const AddressChange& change) { return write_address(kernel, change, change.add); }},
        step.change);
}

Result<void> revert(Kernel& kernel, const Step& step) {
    if (const auto* address = std::get_if<AddressChange>(&step.change))
        return write_address(kernel, *address, !address->add);
    const auto& change = std::get<SettingChange>(step.change);
    if (auto written = kernel.write(change.setting, change.before); !written) return written;
    for (const auto& [setting, value] : change.collateral) {
        const auto now = kernel.read(setting);
        // A link that has gone took its settings with it.
        if (!now || *now == value) continue;
        if (auto written = kernel.write(setting, value); !written) return written;
    }
    return {};
}

}  // namespace dsr::serverprep
