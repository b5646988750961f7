// What is wrong on this host, and what was looked at and is fine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dsr::lb::doctor {

enum class Severity : std::uint8_t {
    error,    // lb would not start, or not forward
    warning,  // lb would be slow, or lose some packets
};

struct Finding {
    std::string id;  // kebab-case; lb(8) lists them
    Severity severity = Severity::error;
    std::string subject;  // the interface, device, core, capability or VIP
    std::string message;
    std::string fix;
    friend bool operator==(const Finding&, const Finding&) = default;
};

struct Checked {
    std::string subject;
    std::string message;
    friend bool operator==(const Checked&, const Checked&) = default;
};

struct Diagnosis {
    std::vector<Finding> findings;
    std::vector<Checked> checked;

    // What is there already is not added again.
    void error(std::string id, std::string subject, std::string message, std::string fix);
    void warning(std::string id, std::string subject, std::string message, std::string fix);
    void fine(std::string subject, std::string message);
};

}  // namespace dsr::lb::doctor
