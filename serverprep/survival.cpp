#include "serverprep/survival.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "common/sys/network_namespace.hpp"
#include "serverprep/layer3.hpp"
#include "serverprep/persist/compare.hpp"
#include "serverprep/persist/host_files.hpp"
#include "serverprep/persist/install.hpp"
#include "serverprep/persist/persistence.hpp"
#include "serverprep/small_file.hpp"

namespace dsr::serverprep {
namespace {

// In the place of a boot's: this state is of every boot.
constexpr const char* kAnyBoot = "any";

// The values that systemd-sysctl and udev are to set, each where serverprep would raise it.
std::vector<persist::SettingValue> settings_of(const State& state, const Observed& observed) {
    std::map<Setting, std::uint32_t> values;
    for (const ServedVip& served : state.served()) {
        const std::string& link = served.interface;
        if (served.ip_forward) values[{SettingName::ip_forward, {}}] = 1;
        values[{SettingName::arp_ignore, kAll}] = std::max(1U, observed.effective(SettingName::arp_ignore, link));
        values[{SettingName::arp_announce, kAll}] = 2;
        values[{SettingName::rp_filter, link}] = 2;
        if (served.ip_forward)
            for (const std::string& where : {std::string(kAll), link})
                values[{SettingName::send_redirects, where}] = 0;
    }
    for (const WantedTunnel& wanted : wanted_tunnels(state.served(), observed.inventory))
        values[{SettingName::rp_filter, wanted.tunnel.name}] = 2;
    return {values.begin(), values.end()};
}

persist::Persistence persistence_of(const Survival& survival, const State& state, const Observed& observed) {
    persist::Persistence what;
    what.settings = settings_of(state, observed);
    what.executable = survival.executable;
    what.watch = state.guarded;
    for (const ServedVip& served : state.served())
        what.interfaces.insert(served.interface);
    return what;
}

Result<std::vector<std::string>> forget(const Survival& survival) {
    auto done = persist::uninstall(survival.systemctl, survival.root);
    if (!done) return std::unexpected(done.error());
    const auto saved = persist::look_at(survival.root, kSavedStateFile);
    if (!saved || *saved) done->removed.push_back(persist::below(survival.root, kSavedStateFile));
    if (auto gone = persist::take_away(survival.root, kSavedStateFile); !gone) return std::unexpected(gone.error());
    if (!done->kept.empty())
        return fail(fmt::format("'{}' was edited by somebody else, and still acts at the next boot: it is left to you",
                                done->kept.front()));
    return std::move(done->removed);
}

}  // namespace

std::optional<Survival> survival_of_this_host(bool presumed) {
    if (!sys::in_network_namespace_of_init().value_or(presumed)) return std::nullopt;
    std::error_code error;
    Survival survival;
    survival.executable = std::filesystem::read_symlink("/proc/self/exe", error).string();
    survival.systemctl = persist::systemctl();
    return survival;
}

Result<std::optional<State>> saved_state(const std::string& root) {
    const std::string file = persist::below(root, kSavedStateFile);
    auto text = read_file_if_there(file);
    if (!text) return std::unexpected(text.error());
    if (!*text) return std::optional<State>();
    auto state = state_from_json(**text, kAnyBoot);
    if (!state) return fail(fmt::format("cannot read the saved state '{}': {}", file, state.error().message));
    return std::optional(std::move(*state));
}

Result<std::vector<std::string>> save_for_reboot(const Survival& survival, const State& state,
                                                 const Observed& observed) {
    if (state.vips.empty()) return forget(survival);
    const auto init = persist::detect(survival.root);
    if (!init) return std::unexpected(init.error());
    // The files that act first: where they cannot be, nothing is saved; without a state they do nothing.
    auto installed =
        persist::install(persistence_of(survival, state, observed), *init, survival.systemctl, survival.root);
    if (!installed) return std::unexpected(installed.error());
    std::vector<std::string> written = std::move(installed->written);
    const std::string text = to_json(state, kAnyBoot);
    const auto now = persist::look_at(survival.root, kSavedStateFile);
    if (!now || !*now || (*now)->content != text) {
        if (auto saved = persist::put(survival.root, {kSavedStateFile, text}); !saved)
            return std::unexpected(saved.error());
        written.push_back(persist::below(survival.root, kSavedStateFile));
    }
    std::ranges::move(installed->removed, std::back_inserter(written));
    return written;
}

Result<void> start_guard(const Survival& survival) {
    return survival.systemctl({"start", std::filesystem::path(persist::kWatchUnitFile).filename()});
}

std::vector<Finding> judge_survival(const Survival& survival, const State& state, const Observed& observed,
                                    const std::string& persist_command, bool wanted) {
    std::vector<Finding> findings;
    const auto add = [&](std::string subject, std::string message, std::string fix) {
        findings.push_back({.id = "not-persistent",
                            .severity = wanted ? Severity::error : Severity::warning,
                            .subject = std::move(subject),
                            .message = std::move(message),
                            .fix = std::move(fix),
                            .blocks = false,
                            .steps = {}});
    };
    const auto init = persist::detect(survival.root);
    if (!init) {
        add("host", "nothing restores it after a reboot: " + init.error().message, persist_command);
        return findings;
    }
    const auto saved = saved_state(survival.root);
    if (!saved || !*saved || (*saved)->served() != state.served()) {
        add("host",
            !saved    ? saved.error().message
            : !*saved ? "this is gone after a reboot: nothing restores it"
                      : "what is restored after a reboot is not what is prepared now",
            persist_command);
        return findings;
    }
    const auto flaws = persist::compare(persistence_of(survival, state, observed), *init, survival.root);
    if (!flaws) {
        add("host", flaws.error().message, persist_command);
        return findings;
    }
    for (const persist::Flaw& flaw : *flaws) {
        const bool whole = flaw.line == 0;
        const std::string by_user = whole ? fmt::format("move {} away, then: {}", flaw.path, persist_command)
                                          : fmt::format("edit {}", flaw.path);
        add(whole ? flaw.path : fmt::format("{}:{}", flaw.path, flaw.line), flaw.message,
            flaw.needs_user ? by_user : persist_command);
    }
    return findings;
}

}  // namespace dsr::serverprep
