# Draws training_curves.png and .svg:   gnuplot training_curves.gnuplot
$train_loss << EOD
1 0.6941674816729843
2 0.7067500707810199
EOD
$val_loss << EOD
1 0.7054323462347991
2 0.6951284369362017
EOD
$train_acc << EOD
1 50
2 50
EOD
$val_acc << EOD
1 50
2 50
EOD
$lr << EOD
0 0.005
1 0.0025
EOD
$best << EOD
1 50
EOD

size = 1
set style line 1 lc rgb '#0072B2' lw 2 pt 7 ps size
set style line 2 lc rgb '#D55E00' lw 2 pt 7 ps size
set style line 3 lc rgb '#E69F00' lw 1.5 dt 2 pt 7 ps size
set style line 4 lc rgb '#009E73' lw 2
set style line 9 lc rgb '#D8D8D8' lw 0.7
set style line 10 lc rgb '#707070' lw 1
set border 3 ls 10
set tics nomirror scale 0.5 textcolor rgb '#404040'
set grid ls 9
set key outside above center horizontal nobox maxrows 1 samplen 1.6 textcolor rgb '#202020'
set datafile missing 'nan'
draw = "linespoints"

do for [format in 'png svg'] {
if (format eq 'png') { set terminal pngcairo size 1800,540 font 'Sans,13' enhanced background rgb 'white' }
else { set terminal svg size 1350,405 font 'Sans,11' enhanced background rgb 'white' }
set output 'training_curves.'.format
set multiplot layout 1,3 margins 0.05,0.975,0.15,0.88 spacing 0.075,0
set xrange [0.5:2.5]
set xtics 1
set xlabel 'epoch'
set ylabel 'loss'
set yrange [*:*]
unset format
plot $train_loss using 1:2 with @draw ls 1 title 'training', $val_loss using 1:2 with @draw ls 2 title 'validation'
unset logscale y
unset format
set ylabel 'accuracy, %'
set yrange [*:100<*]
set label 1 'best: 50.00 % in epoch 1' at graph 0.97, 0.06 right textcolor rgb '#404040'
plot $train_acc using 1:2 with @draw ls 1 title 'training', $val_acc using 1:2 with @draw ls 2 title 'validation', $best using 1:2 with points pt 6 ps 1.8 lw 2 lc rgb '#202020' notitle
unset label 1
set ylabel 'learning rate'
set xtics autofreq
set xlabel 'step'
set format y '%g'
set yrange [0:*]
unset key
set xtics 1
set xrange [0:1]
plot $lr using 1:2 with lines ls 4 notitle
set key
unset multiplot
unset output
}
