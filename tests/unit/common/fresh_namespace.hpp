// What the tests of netlink need of the process they run in: a network namespace of their own, and to be nobody for a
// while. Both need root; a test that is not says so and fails.
#pragma once

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/sys/unique_fd.hpp"

namespace dsr::test {

inline void require_root() {
    if (::geteuid() != 0) FAIL("this test changes network namespaces or users and needs root");
}

// Whatever namespace the test moves to, the next one starts where this one did.
class NamespaceRestored {
public:
    NamespaceRestored() : before_(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
        require_root();
        REQUIRE(before_.valid());
    }
    NamespaceRestored(const NamespaceRestored&) = delete;
    NamespaceRestored& operator=(const NamespaceRestored&) = delete;
    ~NamespaceRestored() { (void)::setns(before_.get(), CLONE_NEWNET); }

private:
    sys::UniqueFd before_;
};

// A new network namespace, with nothing but a loopback interface that is down.
class FreshNamespace : NamespaceRestored {
public:
    FreshNamespace() { REQUIRE(::unshare(CLONE_NEWNET) == 0); }
};

inline constexpr int kLoopback = 1;  // its index in every namespace

class Nobody {
public:
    Nobody() {
        require_root();
        REQUIRE(::seteuid(65534) == 0);
    }
    Nobody(const Nobody&) = delete;
    Nobody& operator=(const Nobody&) = delete;
    ~Nobody() {
        (void)::seteuid(0);
        (void)::prctl(PR_SET_DUMPABLE, 1);  // the change of user took it away, and sanitizers want it
    }
};

}  // namespace dsr::test
