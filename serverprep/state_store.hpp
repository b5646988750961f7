// Keeps the state of this network namespace in a file, replaced atomically, under a lock that is held from reading to
// the last write. Default directory /run/serverprep: what it undoes lives in the kernel and dies at a reboot, and so
// does /run.
#pragma once

#include <string>

#include "common/sys/error.hpp"
#include "common/sys/unique_fd.hpp"
#include "serverprep/state.hpp"

namespace dsr::serverprep {

inline constexpr const char* kDefaultStateDirectory = "/run/serverprep";

class StateStore {
public:
    // Makes the directory if need be, and waits up to ten seconds for another serverprep to finish.
    static Result<StateStore> open(const std::string& directory);
    // Without lock and without leaving a trace: only for load().
    static Result<StateStore> open_to_look(const std::string& directory);

    [[nodiscard]] Result<State> load() const;  // empty when there is no file
    // Durable when it returns: the file is either as it was or complete. An empty state removes it.
    [[nodiscard]] Result<void> save(const State& state) const;

private:
    StateStore(std::string file, std::string boot_id) : file_(std::move(file)), boot_id_(std::move(boot_id)) {}

    std::string file_;
    std::string boot_id_;
    sys::UniqueFd lock_;
};

}  // namespace dsr::serverprep
