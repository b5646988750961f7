// Tells a person or a program what a run did. Decides nothing.
#pragma once

#include <string>

#include "common/sys/terminal.hpp"
#include "serverprep/session.hpp"

namespace dsr::serverprep {

// What the program was asked to do: the words of the last line depend on it.
struct Deed {
    Action action = Action::apply;
    bool remove = false;
};

// For stdout: steps and findings as tables and a closing sentence; for a dry run, the commands, ready for a shell.
std::string format_text(const Report& report, const Deed& deed, const sys::Painter& painter);

// One document: {"ok", "changed", "interface", "vips", "steps", "findings", "counters", …} and, if there is one,
// "error".
std::string format_json(const Report& report);

}  // namespace dsr::serverprep
