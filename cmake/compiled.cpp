// The one source file of minivit::compiled.
#include <minivit/source.hpp>
