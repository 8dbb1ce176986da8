// Shared objects of the library as the second translation unit sees them.
#pragma once

namespace second_unit {

const void* pool();
const void* generator();
const void* version();

}  // namespace second_unit
