"""Images of further formats, each with what Pillow makes of it:   python make_images.py

Writes fixtures/image_formats/NAME and NAME.rgb.png. Needs Pillow 11.3 or newer (AVIF), numpy and pillow-heif.
"""
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()
FOLDER = Path(__file__).parent / "fixtures" / "image_formats"
WIDTH, HEIGHT = 23, 17


def picture(shift=0):
    """Smooth, so that coding with loss changes little, and different at every edge."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    planes = [128 + 100 * np.sin((x + shift) / 5 + y / 9), 255 * x / WIDTH, 255 * y / HEIGHT]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def rgba():
    alpha = Image.fromarray((np.mgrid[0:HEIGHT, 0:WIDTH].sum(axis=0) * 255 // (WIDTH + HEIGHT)).astype(np.uint8))
    image = picture().convert("RGBA")
    image.putalpha(alpha)
    return image


def oriented(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def write(name, image, expected=None, **options):
    path = FOLDER / name
    image.save(path, **options)
    with Image.open(path) as back:
        if expected is None:
            expected = ImageOps.exif_transpose(back).convert("RGB")
    expected.save(f"{path}.rgb.png", optimize=True)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    rgb, gray = picture(), picture().convert("L")
    palette = rgb.quantize(64)

    write("lossless.webp", rgb, lossless=True)
    write("lossy.webp", rgb, quality=90)
    write("alpha.webp", rgba(), lossless=True, exact=True)
    write("turned.webp", rgb, lossless=True, exif=oriented(6))
    write("animated.webp", rgb, lossless=True, save_all=True, append_images=[picture(3)])

    write("plain.gif", palette, interlace=0)
    write("interlaced.gif", palette, interlace=1)
    write("animated.gif", palette, save_all=True, append_images=[picture(3).quantize(64)])
    write("gray.gif", gray)

    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        write(f"{compression}.tif", rgb, compression=compression)
    write("jpeg.tif", rgb, compression="jpeg", quality=95)
    write("fax.tif", gray.convert("1"), compression="group4")
    write("gray.tif", gray)
    write("palette.tif", palette)
    write("alpha.tif", rgba(), expected=rgb)
    sixteen = np.asarray(gray).astype(np.uint16) * 257
    write("gray16.tif", Image.fromarray(sixteen), expected=gray.convert("RGB"))
    for orientation in range(1, 9):
        write(f"turned_{orientation}.tif", rgb, tiffinfo={0x0112: orientation}, compression="tiff_lzw",
              expected=upright(rgb, orientation))

    write("plain.avif", rgb, quality=90)
    for orientation in range(2, 9):
        write(f"turned_{orientation}.avif", rgb, quality=90, subsampling="4:4:4", exif=oriented(orientation))
    write("plain.heic", rgb, quality=90)
    # The property irot and EXIF data that say the same: it is turned once.
    pillow_heif.from_pillow(rgb).save(FOLDER / "turned.heic", quality=90, exif=oriented(6).tobytes())
    upright(rgb, 6).save(FOLDER / "turned.heic.rgb.png", optimize=True)

    write("turned.png", rgb, exif=oriented(8))
    for orientation in range(1, 9):
        write(f"turned_{orientation}.jpg", rgb, quality=95, subsampling=0, exif=oriented(orientation))


def upright(image, orientation):
    image = image.copy()
    image.getexif()[0x0112] = orientation
    return ImageOps.exif_transpose(image)


if __name__ == "__main__":
    main()
