// The files of this directory with '@EXECUTABLE@' and '@INTERFACES@' still in them, as the build found them.
#pragma once

namespace dsr::serverprep::persist {

extern const char* const kUnitTemplate;
extern const char* const kWatchUnitTemplate;
extern const char* const kIfUpTemplate;

}  // namespace dsr::serverprep::persist
