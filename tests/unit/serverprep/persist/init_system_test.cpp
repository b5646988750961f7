#include "serverprep/persist/init_system.hpp"

#include <catch2/catch.hpp>

#include "example.hpp"

using namespace dsr;
using namespace dsr::serverprep;
using namespace dsr::serverprep::persist;

TEST_CASE("systemd is what has its directory in /run, ifupdown what has ifup") {
    const TestRoot root;
    CHECK_FALSE(detect(root.path()).has_value());
    root.write("/etc/network/if-up.d/ethtool", "");
    CHECK_FALSE(detect(root.path()).has_value());
    root.write("/sbin/ifup", "");
    CHECK(detect(root.path()) == InitSystem::ifupdown);
    std::filesystem::create_directories(root / "/run/systemd/system");
    CHECK(detect(root.path()) == InitSystem::systemd);
}
