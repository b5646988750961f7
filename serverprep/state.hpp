// What serverprep remembers: the VIPs it was asked to serve, and what it changed for them, so that --remove can undo
// exactly. Pure; state_store.hpp keeps it on disk.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/desired.hpp"
#include "serverprep/observed.hpp"
#include "serverprep/step.hpp"

namespace dsr::serverprep {

struct RememberedSetting {
    int link_index = 0;  // a link of the same name that was made anew is another link; 0: belongs to none
    std::uint32_t before = 0;
    std::uint32_t written = 0;
    std::map<Setting, std::uint32_t> collateral;  // as it was before

    friend bool operator==(const RememberedSetting&, const RememberedSetting&) = default;
};

struct RememberedVip {
    ServedVip served;
    bool own_address = false;  // that we put on lo

    friend bool operator==(const RememberedVip&, const RememberedVip&) = default;
};

struct State {
    std::map<wire::Ipv4Address, RememberedVip> vips;  // prepared and not removed since
    std::map<Setting, RememberedSetting> settings;
    std::map<std::string, wire::Ipv4Address> own_tunnels;  // that we made, with their remote addresses
    // Addresses that we put on tunnels of others.
    std::set<std::string> own_tunnel_addresses;
    std::set<std::string> own_clsacts;  // links on which we made one
    bool persistent = false;            // to be restored after a reboot
    bool guarded = false;               // and then guarded by a service

    [[nodiscard]] bool empty() const;
    [[nodiscard]] std::vector<ServedVip> served() const;
    [[nodiscard]] std::set<wire::Ipv4Address> vip_addresses() const;
    [[nodiscard]] std::set<wire::Ipv4Address> own_vips() const;
    friend bool operator==(const State&, const State&) = default;
};

// The state to be on disk *before* the steps are done: it then covers every point at which they can break off. Steps
// that remove leave it as it is: forget() is for after them.
State remember(State state, const Desired& desired, const Observed& observed, const std::vector<Step>& steps);

struct Undo {
    std::vector<Step> steps;  // in order; those with status kept are not to be done
    State after;              // to be on disk when they are done
};

// Takes back what only these VIPs need; what `staying` need (the other VIPs of the state, and those about to be
// prepared) stays. A value that somebody else changed since is theirs: kept. Steps of filters come apart: difference()
// plans them together with those of VIPs to come.
enum class FilterSteps : std::uint8_t { included, left_out };
Undo undo(const State& state, const std::set<wire::Ipv4Address>& leaving, const std::vector<ServedVip>& staying,
          const Observed& observed, FilterSteps filters = FilterSteps::included);

// What is left of a state when the kernel has forgotten: the VIPs, and how settings were before what restores them at
// boot.
State after_reboot(State saved, const Inventory& inventory);

std::string to_json(const State& state, const std::string& boot_id);
// An empty state if the text is of another boot: the kernel forgot, so must we.
Result<State> state_from_json(const std::string& text, const std::string& boot_id);

}  // namespace dsr::serverprep
