#include <catch2/catch.hpp>

#include "example.hpp"
#include "serverprep/persist/sysctl_file.hpp"

using namespace dsr;
using namespace dsr::serverprep;
using namespace dsr::serverprep::persist;

namespace {

PersistentFile file_at(const std::vector<PersistentFile>& files, const std::string& path) {
    for (const PersistentFile& file : files)
        if (file.path == path) return file;
    FAIL("no file " << path);
    return {};
}

std::string without_comments(const std::string& text) {
    std::string kept;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        const std::string line = text.substr(at, end - at + 1);
        if (line.front() != '#' && line != "\n") kept += line;
        at = end + 1;
    }
    return kept;
}

}  // namespace

TEST_CASE("sysctl.d gets ip_forward first, a link's dots unchanged, and a dash for a link that may come late") {
    CHECK(without_comments(render_sysctl(example().settings)) ==
          "net/ipv4/ip_forward = 0\n"
          "net/ipv4/conf/all/arp_ignore = 1\n"
          "-net/ipv4/conf/eth0.5/rp_filter = 2\n");
}

TEST_CASE("lo is always there: its settings have no dash") {
    CHECK(without_comments(render_sysctl({{{SettingName::arp_ignore, "lo"}, 1}})) ==
          "net/ipv4/conf/lo/arp_ignore = 1\n");
}

TEST_CASE("writing 'forwarding' resets others, so it comes right after ip_forward") {
    CHECK(without_comments(render_sysctl({{{SettingName::accept_redirects, "all"}, 0},
                                          {{SettingName::forwarding, "eth0"}, 1},
                                          {{SettingName::ip_forward, ""}, 1}})) ==
          "net/ipv4/ip_forward = 1\n"
          "-net/ipv4/conf/eth0/forwarding = 1\n"
          "net/ipv4/conf/all/accept_redirects = 0\n");
}

TEST_CASE("under systemd the set is the drop-in, the unit and the link that enables it") {
    const auto files = render(example(), InitSystem::systemd);
    REQUIRE(files.has_value());
    REQUIRE(files->size() == 3);
    CHECK(file_at(*files, kUnitFile).content.contains("\nExecStart=/usr/sbin/serverprep --restore\n"));
    CHECK(file_at(*files, kUnitLink).is_link);
    CHECK(file_at(*files, kUnitLink).content == kUnitFile);
    CHECK(file_at(*files, kSysctlFile).mode == 0644);
}

TEST_CASE("the guard is a notify service with a watchdog, and only when asked for") {
    Persistence what = example();
    what.watch = true;
    const auto files = render(what, InitSystem::systemd);
    REQUIRE(files.has_value());
    const std::string unit = file_at(*files, kWatchUnitFile).content;
    CHECK(unit.contains("\nType=notify\n"));
    CHECK(unit.contains("\nWatchdogSec=30\n"));
    CHECK(unit.contains("\nExecStart=/usr/sbin/serverprep --watch\n"));
    CHECK(file_at(*files, kWatchUnitLink).content == kWatchUnitFile);
    CHECK_FALSE(render(what, InitSystem::ifupdown).has_value());
}

TEST_CASE("under ifupdown the hook is executable and names the interfaces") {
    const auto files = render(example(), InitSystem::ifupdown);
    REQUIRE(files.has_value());
    const PersistentFile hook = file_at(*files, kIfUpFile);
    CHECK(hook.mode == 0755);
    CHECK(hook.content.starts_with("#!/bin/sh\n"));
    CHECK(hook.content.contains("\nlo | eth0.5) ;;\n"));
    CHECK(hook.content.contains("\n/usr/sbin/serverprep --restore --quiet || exit 0\n"));
}

TEST_CASE("nothing in any rendered file is left to be replaced") {
    Persistence what = example();
    for (const bool watch : {false, true}) {
        what.watch = watch;
        const auto files = render(what, InitSystem::systemd);
        REQUIRE(files.has_value());
        for (const PersistentFile& file : *files)
            CHECK_FALSE(file.content.contains('@' + std::string("EXECUTABLE")));
    }
}

TEST_CASE("an executable that a reboot takes away, or that a unit cannot name, is refused") {
    for (const char* path : {"serverprep", "/tmp/serverprep", "/run/serverprep", "/opt/a b/serverprep", "/opt/%n",
                             "/opt/serverprep (deleted)", "/opt/$HOME", "/opt/x\nExecStart=/bin/sh"}) {
        Persistence what = example();
        what.executable = path;
        INFO(path);
        CHECK_FALSE(render(what, InitSystem::systemd).has_value());
    }
}

TEST_CASE("an interface name that sysctl.d or a shell would read otherwise is refused") {
    for (const char* name : {"eth*", "a/b", "..", "x)", "$(id)", "a b"}) {
        Persistence what = example();
        what.interfaces = {name};
        INFO(name);
        CHECK_FALSE(render(what, InitSystem::ifupdown).has_value());
        what.interfaces.clear();
        what.settings = {{{SettingName::rp_filter, name}, 2}};
        CHECK_FALSE(render(what, InitSystem::systemd).has_value());
    }
}

TEST_CASE("a seal breaks with any edit, and only then") {
    const std::string text = sealed("#!/bin/sh\na = 1\n");
    CHECK(text.starts_with("#!/bin/sh\n# "));
    CHECK(is_sealed(text));
    CHECK_FALSE(is_sealed(text + "b = 2\n"));
    CHECK_FALSE(is_sealed("#!/bin/sh\na = 1\n"));
    CHECK_FALSE(is_sealed(""));
    for (std::size_t at = 0; at < text.size(); ++at) {
        std::string edited = text;
        edited[at] = edited[at] == 'x' ? 'y' : 'x';
        INFO(at);
        CHECK_FALSE(is_sealed(edited));
    }
}

TEST_CASE("every rendered file has a place that uninstalling knows") {
    Persistence what = example();
    const auto places = all_places();
    for (const InitSystem init : {InitSystem::systemd, InitSystem::ifupdown}) {
        what.watch = init == InitSystem::systemd;
        const auto files = render(what, init);
        REQUIRE(files.has_value());
        for (const PersistentFile& file : *files)
            CHECK(file_at(places, file.path).is_link == file.is_link);
    }
}
