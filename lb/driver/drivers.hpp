// All that moves frames for one lb: a driver for each worker, and the interfaces that they share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lb/dataplane/driver.hpp"

namespace dsr::lb {

struct InterfaceState {
    bool link = true;             // the interface is there and has a carrier, as far as is known
    std::uint64_t dropped = 0;    // frames that the kernel or the device had no room for, since the driver was opened
    std::uint64_t to_kernel = 0;  // frames handed to the kernel interface, if there is one
    std::uint64_t from_kernel = 0;
    std::uint64_t kernel_dropped = 0;  // of both kinds: more than the kernel interface could take
};

class Drivers {
public:
    virtual ~Drivers() = default;

    [[nodiscard]] virtual Driver& of_worker(std::size_t worker) = 0;

    // --- by the control thread ---

    // One for each interface, in the configuration's order.
    [[nodiscard]] virtual std::vector<InterfaceState> interfaces() = 0;
    // False: the device has vanished.
    [[nodiscard]] virtual bool present(std::size_t /*interface*/) const { return true; }
    // Looks after the interfaces, to be called a few times a second: what has happened since the last call, a sentence
    // each.
    [[nodiscard]] virtual std::vector<std::string> take_events() { return {}; }
    // Why nothing will ever be received again, or empty.
    [[nodiscard]] virtual std::string failure() const = 0;
};

}  // namespace dsr::lb
