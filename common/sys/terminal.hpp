// Colour and alignment for human output: colour only on a terminal, and never when NO_COLOR is set (no-color.org).
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace dsr::sys {

enum class Colour : unsigned char { plain, bold, dim, red, green, yellow, cyan };

// Decides once for a stream and paints text accordingly.
class Painter {
public:
    explicit Painter(std::FILE* stream);
    explicit Painter(bool enabled) : enabled_(enabled) {}
    [[nodiscard]] bool enabled() const { return enabled_; }
    [[nodiscard]] std::string paint(Colour colour, std::string_view text) const;

private:
    bool enabled_;
};

struct Cell {
    std::string text;
    Colour colour = Colour::plain;
};

// Left-aligned columns two spaces apart; the last column is not padded. Every row ends with a newline.
std::string format_table(const std::vector<std::vector<Cell>>& rows, const Painter& painter);

}  // namespace dsr::sys
