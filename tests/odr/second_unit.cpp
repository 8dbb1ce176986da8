#include "odr/second_unit.hpp"

#include <minivit/vit.hpp>

namespace second_unit {

const void* pool() { return &minivit::Pool::instance(); }
const void* generator() { return &minivit::Generator::local(); }
const void* version() { return &minivit::kVersion; }

}  // namespace second_unit
