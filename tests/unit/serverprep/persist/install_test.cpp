#include "serverprep/persist/install.hpp"

#include <catch2/catch.hpp>

#include <sys/stat.h>

#include "example.hpp"

using namespace dsr;
using namespace dsr::serverprep;
using namespace dsr::serverprep::persist;

namespace {

// Remembers what it was told.
struct ToldSystemctl {
    std::vector<std::string> told;

    Systemctl function() {
        return [this](const std::vector<std::string>& arguments) {
            std::string words;
            for (const std::string& each : arguments)
                words += (words.empty() ? "" : " ") + each;
            told.push_back(words);
            return Result<void>{};
        };
    }
};

std::size_t count_files(const TestRoot& root) {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::recursive_directory_iterator(root.path()))
        if (!each.is_directory() || each.is_symlink()) ++count;
    return count;
}

}  // namespace

TEST_CASE("installing writes the set and has systemd read it, a second time nothing") {
    const TestRoot root;
    ToldSystemctl systemctl;
    const auto first = install(example(), InitSystem::systemd, systemctl.function(), root.path());
    REQUIRE(first.has_value());
    CHECK(first->written.size() == 3);
    CHECK(systemctl.told == std::vector<std::string>{"daemon-reload"});
    CHECK(std::filesystem::read_symlink(root / kUnitLink) == kUnitFile);
    CHECK(count_files(root) == 3);

    const auto second = install(example(), InitSystem::systemd, systemctl.function(), root.path());
    REQUIRE(second.has_value());
    CHECK(second->written.empty());
    CHECK(systemctl.told.size() == 1);
}

TEST_CASE("the modes are as rendered whatever the umask is") {
    const TestRoot root;
    const mode_t before = ::umask(077);
    const auto done = install(example(), InitSystem::ifupdown, ToldSystemctl{}.function(), root.path());
    ::umask(before);
    REQUIRE(done.has_value());
    struct stat info{};
    REQUIRE(::stat((root / kIfUpFile).c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0755);
    REQUIRE(::stat((root / kSysctlFile).c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0644);
}

TEST_CASE("other settings replace the file of earlier ones") {
    const TestRoot root;
    REQUIRE(install(example(), InitSystem::systemd, ToldSystemctl{}.function(), root.path()).has_value());
    Persistence more = example();
    more.settings.push_back({{SettingName::arp_announce, "all"}, 2});
    const auto done = install(more, InitSystem::systemd, ToldSystemctl{}.function(), root.path());
    REQUIRE(done.has_value());
    CHECK(done->written == std::vector<std::string>{kSysctlFile});
    CHECK(root.read(kSysctlFile).contains("arp_announce = 2"));
}

TEST_CASE("an edited file is named and nothing at all is written") {
    const TestRoot root;
    REQUIRE(install(example(), InitSystem::systemd, ToldSystemctl{}.function(), root.path()).has_value());
    const std::string edited = root.read(kUnitFile) + "Nice=5\n";
    root.write(kUnitFile, edited);
    const std::string drop_in = root.read(kSysctlFile);
    Persistence more = example();
    more.settings.push_back({{SettingName::arp_announce, "all"}, 2});
    const auto done = install(more, InitSystem::systemd, ToldSystemctl{}.function(), root.path());
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().message.contains(kUnitFile));
    CHECK(root.read(kUnitFile) == edited);
    CHECK(root.read(kSysctlFile) == drop_in);
}

TEST_CASE("a masked unit is somebody's decision: refused") {
    const TestRoot root;
    std::filesystem::create_directories(root / "/etc/systemd/system");
    std::filesystem::create_symlink("/dev/null", root / kUnitFile);
    CHECK_FALSE(install(example(), InitSystem::systemd, ToldSystemctl{}.function(), root.path()).has_value());
    CHECK_FALSE(root.has(kSysctlFile));
}

TEST_CASE("a set broken off at any file is completed by the next run, drafts included") {
    const auto files = render(example(), InitSystem::systemd);
    REQUIRE(files.has_value());
    for (std::size_t done = 0; done <= files->size(); ++done) {
        const TestRoot root;
        REQUIRE(install(example(), InitSystem::systemd, ToldSystemctl{}.function(), root.path()).has_value());
        for (std::size_t i = done; i < files->size(); ++i)
            std::filesystem::remove(root / (*files)[i].path);
        root.write(std::string(kUnitFile) + ".serverprep-new", "half of a fi");
        std::filesystem::remove(root / kUnitFile);
        const auto again = install(example(), InitSystem::systemd, ToldSystemctl{}.function(), root.path());
        REQUIRE(again.has_value());
        for (const PersistentFile& file : *files) {
            auto whose = ownership(file, root.path());
            REQUIRE(whose.has_value());
            CHECK(*whose == Ownership::as_wanted);
        }
        CHECK(count_files(root) == files->size());
    }
}

TEST_CASE("what cannot be written leaves the old file whole and no draft") {
    const TestRoot root;
    // A directory stands where the drop-in belongs: rename must fail, whoever we are.
    std::filesystem::create_directories((root / kSysctlFile) + "/x");
    const auto done = install(example(), InitSystem::systemd, ToldSystemctl{}.function(), root.path());
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().message.contains(kSysctlFile));
    CHECK(count_files(root) == 0);
}

TEST_CASE("uninstalling stops what runs and removes exactly our files") {
    const TestRoot root;
    Persistence what = example();
    what.watch = true;
    REQUIRE(install(what, InitSystem::systemd, ToldSystemctl{}.function(), root.path()).has_value());
    root.write("/etc/sysctl.d/50-other.conf", "vm.swappiness = 10\n");
    ToldSystemctl systemctl;
    const auto gone = uninstall(systemctl.function(), root.path());
    REQUIRE(gone.has_value());
    CHECK(gone->removed.size() == 5);
    CHECK(gone->kept.empty());
    CHECK(systemctl.told.front() == "stop --no-block serverprep-watch.service");
    CHECK(systemctl.told.back() == "daemon-reload");
    CHECK(count_files(root) == 1);
    CHECK(root.has("/etc/sysctl.d/50-other.conf"));
}

TEST_CASE("uninstalling where nothing is does nothing") {
    const TestRoot root;
    ToldSystemctl systemctl;
    const auto gone = uninstall(systemctl.function(), root.path());
    REQUIRE(gone.has_value());
    CHECK(gone->removed.empty());
    CHECK(systemctl.told.empty());
}

TEST_CASE("uninstalling keeps an edited unit, says so, and disables it") {
    const TestRoot root;
    REQUIRE(install(example(), InitSystem::systemd, ToldSystemctl{}.function(), root.path()).has_value());
    root.write(kUnitFile, root.read(kUnitFile) + "Nice=5\n");
    const auto gone = uninstall(ToldSystemctl{}.function(), root.path());
    REQUIRE(gone.has_value());
    CHECK(gone->kept == std::vector<std::string>{kUnitFile});
    CHECK_FALSE(root.has(kUnitLink));
    CHECK_FALSE(root.has(kSysctlFile));
}

TEST_CASE("without the guard, an earlier guard goes") {
    const TestRoot root;
    Persistence what = example();
    what.watch = true;
    REQUIRE(install(what, InitSystem::systemd, ToldSystemctl{}.function(), root.path()).has_value());
    ToldSystemctl systemctl;
    const auto done = install(example(), InitSystem::systemd, systemctl.function(), root.path());
    REQUIRE(done.has_value());
    CHECK(done->written.empty());
    CHECK(done->removed.size() == 2);
    CHECK_FALSE(root.has(kWatchUnitFile));
    CHECK(root.has(kUnitLink));
}
