#include "serverprep/watch/repair_log.hpp"

#include <catch2/catch.hpp>

#include "serverprep/watch/look_times.hpp"

using namespace dsr;
using namespace dsr::serverprep;
using namespace std::chrono_literals;

namespace {

const RepairLog::Time kStart = RepairLog::Time{} + 1000h;

Step set(SettingName name, std::uint32_t before = 0, std::uint32_t after = 1) {
    return {SettingChange{{name, kAll}, before, after, {}}, StepStatus::done};
}

const Step kIgnore = set(SettingName::arp_ignore);
const Step kFilter = set(SettingName::rp_filter, 1, 2);

// Repairs at these times, and gives what is said about the last.
LogLines repair_at(RepairLog& log, std::initializer_list<std::chrono::milliseconds> times, const Step& step = kIgnore) {
    LogLines lines;
    for (const auto time : times)
        lines = log.repaired({step}, kStart + time);
    return lines;
}

std::chrono::seconds pause_after(const RepairLog& log, std::chrono::milliseconds time) {
    const auto next = log.next_repair(kStart + time);
    return next ? std::chrono::duration_cast<std::chrono::seconds>(*next - (kStart + time)) : 0s;
}

}  // namespace

TEST_CASE("a repair is said once, with before and after, and counted") {
    RepairLog log(5s);
    CHECK(log.repaired({kIgnore, kFilter}, kStart) ==
          LogLines{{false, "repaired net.ipv4.conf.all.arp_ignore: 0 -> 1"},
                   {false, "repaired net.ipv4.conf.all.rp_filter: 1 -> 2"}});
    CHECK(log.repairs().at("net.ipv4.conf.all.arp_ignore") == 1);
    CHECK(log.may_repair(kIgnore, kStart));
    CHECK(log.fights().empty());
}

TEST_CASE("three repairs of one object within a minute are a fight, named once") {
    RepairLog log(5s);
    CHECK(repair_at(log, {0s, 10s}).size() == 1);
    const auto lines = repair_at(log, {19500ms});
    REQUIRE(lines.size() == 2);
    CHECK(lines[1] == LogLine{true,
                              "net.ipv4.conf.all.arp_ignore was changed back 3 times within 20 s: something else "
                              "manages it; next repair in 10 s, then less and less often"});
    CHECK(log.fights() == std::set<std::string>{"net.ipv4.conf.all.arp_ignore"});
    CHECK(repair_at(log, {30s}).empty());
    CHECK(log.repairs().at("net.ipv4.conf.all.arp_ignore") == 4);
}

TEST_CASE("three repairs of one object spread over more than a minute are no fight") {
    RepairLog log(5s);
    CHECK(repair_at(log, {0s, 31s, 62s, 93s}).size() == 1);
    CHECK(log.fights().empty());
}

TEST_CASE("where looks are rare, a fight is noticed over as many looks") {
    RepairLog log(60s);
    CHECK(repair_at(log, {0s, 60s, 120s}).size() == 2);
    CHECK(log.fights().size() == 1);
}

TEST_CASE("an object fought over is left alone twice as long after each repair, up to five minutes") {
    RepairLog log(5s);
    repair_at(log, {0s, 1s, 2s});
    CHECK_FALSE(log.may_repair(kIgnore, kStart + 11999ms));
    CHECK(log.may_repair(kIgnore, kStart + 12s));
    std::chrono::milliseconds now = 2s;
    std::vector<std::chrono::seconds> pauses;
    for (int i = 0; i < 8; ++i) {
        pauses.push_back(pause_after(log, now));
        now += pauses.back();
        CHECK(repair_at(log, {now}).empty());
    }
    CHECK(pauses == std::vector<std::chrono::seconds>{10s, 20s, 40s, 80s, 160s, 300s, 300s, 300s});
}

TEST_CASE("a fight over one object delays the repair of no other") {
    RepairLog log(5s);
    repair_at(log, {0s, 1s, 2s});
    CHECK_FALSE(log.may_repair(kIgnore, kStart + 3s));
    CHECK(log.may_repair(kFilter, kStart + 3s));
    CHECK(repair_at(log, {3s}, kFilter).size() == 1);
}

TEST_CASE("an object that could not be repaired is left alone, and the others are not") {
    RepairLog log(5s);
    log.refused(kIgnore, kStart);
    CHECK_FALSE(log.may_repair(kIgnore, kStart + 9s));
    CHECK(log.may_repair(kFilter, kStart));
    log.refused(kIgnore, kStart + 10s);
    CHECK(pause_after(log, 10s) == 20s);
    CHECK(log.repairs().empty());
}

TEST_CASE("ten calm minutes end a fight, which is said once") {
    RepairLog log(5s);
    repair_at(log, {0s, 1s, 2s});
    CHECK(log.calmed(kStart + 2s + 10min - 1ms).empty());
    CHECK(log.calmed(kStart + 2s + 10min) ==
          LogLines{{false,
                    "net.ipv4.conf.all.arp_ignore has not been changed for 10 min: the next change is repaired at "
                    "once"}});
    CHECK(log.calmed(kStart + 20min).empty());
    CHECK(log.fights().empty());
    CHECK(repair_at(log, {21min}) == LogLines{{false, "repaired net.ipv4.conf.all.arp_ignore: 0 -> 1"}});
    CHECK(log.repairs().at("net.ipv4.conf.all.arp_ignore") == 4);
}

TEST_CASE("a finding is said when it appears and when it has gone, and not in between") {
    RepairLog log(5s);
    const Finding down{"interface-down", Severity::error, "eth0", "it is down", "ip link set eth0 up", true};
    const Finding listener{"no-listener", Severity::warning, "203.0.113.10", "nothing listens on port 80", "", true};
    CHECK(log.noticed({down}) == LogLines{{true, "interface-down: eth0: it is down; fix: ip link set eth0 up"}});
    CHECK(log.noticed({down}).empty());
    CHECK(log.noticed({down, listener}) == LogLines{{true, "no-listener: 203.0.113.10: nothing listens on port 80"}});
    CHECK(log.noticed({listener}) == LogLines{{false, "interface-down: eth0: no more"}});
    CHECK(log.noticed({}) == LogLines{{false, "no-listener: 203.0.113.10: no more"}});
    CHECK(log.noticed({}).empty());
}

TEST_CASE("the host is looked at now and then, and three times after something was heard") {
    LookTimes times(5s);
    times.looked(kStart, kStart);
    CHECK(times.next() == kStart + 5s);
    times.heard(kStart + 1s);
    times.heard(kStart + 1005ms);
    std::vector<RepairLog::Time> looks;
    for (int i = 0; i < 4; ++i) {
        looks.push_back(times.next());
        times.looked(looks.back(), looks.back());
    }
    CHECK(looks == std::vector<RepairLog::Time>{kStart + 1020ms, kStart + 1105ms, kStart + 2005ms, kStart + 7005ms});
}

TEST_CASE("however much is heard, looks take at most a tenth of the time") {
    LookTimes times(5s);
    auto now = kStart;
    for (int i = 0; i < 10; ++i) {
        times.heard(now);
        times.looked(now, now + 30ms);
        times.heard(now + 30ms);
        CHECK(times.next() == now + 300ms);
        now = times.next();
    }
}

TEST_CASE("what is heard while the host is looked at leads to another look") {
    LookTimes times(5s);
    times.looked(kStart, kStart);
    times.heard(kStart + 2s);
    times.looked(kStart + 1990ms, kStart + 2010ms);
    CHECK(times.next() == kStart + 2190ms);
}
